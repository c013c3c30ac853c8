"""A plan names connections; opening it gives source, sink and key, connecting to nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import SecretStr

from airflow_provider_spotify.core.config.plans import ImportPlan
from airflow_provider_spotify.core.errors import ConfigurationError
from airflow_provider_spotify.core.model import Credentials
from airflow_provider_spotify.core.opening import open_key, open_plan
from airflow_provider_spotify.core.sinks.postgres import PostgresConfig, PostgresSink
from airflow_provider_spotify.core.sources.files.csv import CsvConfig, CsvSource

KNOWN = {
    "acme__store": Credentials(login="reader"),
    "acme__warehouse": Credentials(host="nowhere.invalid", login="writer"),
    "acme__key": Credentials(password=SecretStr("k" * 32)),
    "acme__empty": Credentials(),
}


def resolve(conn_id: str) -> Credentials:
    return KNOWN[conn_id]


def plan(**more: object) -> ImportPlan:
    words = {
        "tenant": "acme",
        "name": "plays",
        "table": "plays",
        "source": {"type": "csv", "connection": "acme__store", "config": CsvConfig(path="a.csv")},
        "destination": {
            "type": "postgres",
            "connection": "acme__warehouse",
            "config": PostgresConfig(schema="acme"),
        },
    }
    return ImportPlan.model_validate(words | more)


def test_source_and_sink_get_their_config_their_credentials_and_the_tenant() -> None:
    opened = open_plan(plan(), resolve=resolve)
    assert isinstance(opened.source, CsvSource)
    assert isinstance(opened.sink, PostgresSink)
    assert opened.source.config == CsvConfig(path="a.csv")
    assert (opened.source.credentials.login, opened.sink.credentials.login) == ("reader", "writer")
    assert (opened.source.tenant, opened.sink.tenant) == ("acme", "acme")
    assert opened.key is None


def test_what_names_no_connection_asks_for_none() -> None:
    words = plan(source={"type": "csv", "config": CsvConfig(path="a.csv")})
    assert open_plan(words, resolve=resolve).source.credentials == Credentials()


def test_the_key_is_the_password_of_its_connection() -> None:
    opened = open_plan(plan(privacy={"key": "acme__key"}), resolve=resolve)
    assert opened.key == b"k" * 32


def test_a_key_connection_without_a_password_is_a_mistake_that_names_it() -> None:
    with pytest.raises(ConfigurationError, match="'acme__empty' holds no password"):
        open_key("acme__empty", resolve=resolve)


def test_an_unknown_type_is_refused_with_the_nearest_name(tmp_path: Path) -> None:
    wrong = plan(source={"type": "cvs", "config": CsvConfig(path="a.csv")})
    with pytest.raises(ConfigurationError, match="did you mean 'csv'"):
        open_plan(wrong, resolve=resolve)
