"""Secrets in YAML are found by key and by looks, and never repeated."""

from __future__ import annotations

import pytest
from pydantic import BaseModel

from airflow_provider_spotify.core import registry
from airflow_provider_spotify.core.config.secrets import looks_secret, names_secret
from tests.core.config.tenants import messages, one, problems

# put together here so that no scanner takes this file for a leak
TOKENS = [
    "gh" + "p_" + "a1B2" * 9,
    "AK" + "IA" + "ABCDEFGHIJKLMNOP",
    "xo" + "xb-" + "123456789012-abcdefghij",
    "-----BEGIN RSA " + "PRIVATE KEY-----",
    "ey" + "JhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.sig",
    "Bea" + "rer abcdefghijklmnopqrst",
    "postgres://user:" + "hunter22@db.example.com/x",
    "https://api.example.com/?api_" + "key=abcdef123456",
    "host=db password=" + "hunter22",
    "https://hooks.slack.com" + "/services/T000/B000/XXXX",
]
HARMLESS = [
    "https://api.example.com/v1?page=1",
    "s3://bucket/path/*.csv",
    "SELECT * FROM users WHERE password = $1",
    "data/{tenant}/basic plays.csv",
    "warehouse/acme.duckdb",
    "acme__privacy_key",
    "37i9dQZF1DXcBWIGoYBM5M",
]


@pytest.mark.parametrize("token", TOKENS)
def test_a_value_that_looks_like_a_secret_is_an_error_that_does_not_repeat_it(token: str) -> None:
    text = yaml_with(token)
    found = [p for p in problems(text) if "a secret may not stand in YAML" in p.message]
    assert [p.path for p in found] == ["description"]
    assert token not in "\n".join(messages(text))


def yaml_with(value: str) -> str:
    return one(more=f"description: '{value}'\n")


@pytest.mark.parametrize("text", HARMLESS)
def test_an_ordinary_value_is_no_secret(text: str) -> None:
    assert not looks_secret(text)


@pytest.mark.parametrize(
    "key", ["password", "api_key", "X-API-Key", "clientSecret", "token", "refresh_token", "dsn"]
)
def test_a_key_that_holds_secrets_is_known_however_it_is_spelled(key: str) -> None:
    assert names_secret(key)


def test_a_secret_under_a_telling_key_is_an_error_at_its_value() -> None:
    text = one("write: {mode: append}").replace("plays.csv}", "plays.csv, password: swordfish}")
    found = [m for m in messages(text) if "a secret may not stand" in m]
    assert found[0].startswith("7:57: imports.plays.source.password: ")
    assert "swordfish" not in "\n".join(messages(text))


def test_a_secret_in_a_comment_is_found_too() -> None:
    text = one() + f"# was: {TOKENS[6]}\n"
    (found,) = messages(text)
    assert found.startswith("8:8: this line")
    assert "hunter22" not in found


def test_a_personal_column_may_be_called_password() -> None:
    assert messages(one("contract: {columns: {password: {type: string, pii: drop}}}")) == []


@pytest.mark.parametrize("name", sorted(registry.sources()))
def test_no_key_of_a_source_is_taken_for_a_secret(name: str) -> None:
    config: type[BaseModel] = registry.source(name).Config
    assert [key for key in config.model_fields if names_secret(key)] == []
