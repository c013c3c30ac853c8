"""Google's service accounts: a signed JWT becomes a token, and a broken key file is named."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from pydantic import SecretStr

from airflow_provider_spotify.core.clients.http.client import HttpClient, HttpSettings
from airflow_provider_spotify.core.clients.oauth.grants import forget_tokens
from airflow_provider_spotify.core.clients.oauth.service_account import (
    ServiceAccount,
    read_key,
    service_account_key,
)
from airflow_provider_spotify.core.errors import AuthenticationError, ConfigurationError
from airflow_provider_spotify.core.model import Credentials
from tests.services.oauth_server import OAuthServer

WHO = "importer@project.iam.gserviceaccount.com"
KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
SCOPES = ["https://www.googleapis.com/auth/analytics.readonly"]


@pytest.fixture
def server() -> Iterator[OAuthServer]:
    forget_tokens()
    with OAuthServer(accounts={WHO: KEY.public_key()}) as server:
        yield server


def pem(key: Any) -> str:
    text: bytes = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return text.decode()


def key_file(server: OAuthServer, **fields: Any) -> dict[str, Any]:
    return {
        "type": "service_account",
        "project_id": "project",
        "private_key_id": "abc",
        "private_key": pem(KEY),
        "client_email": WHO,
        "token_uri": server.token_url,
        "universe_domain": "googleapis.com",
        **fields,
    }


def account(server: OAuthServer, **fields: Any) -> ServiceAccount:
    return ServiceAccount(read_key(key_file(server, **fields), where="test"), scopes=SCOPES)


def client(server: OAuthServer, auth: ServiceAccount) -> HttpClient:
    return HttpClient(
        HttpSettings.model_validate({"base_url": server.url, "redis_url": ""}), auth=auth
    )


async def test_a_signature_that_the_server_verifies_gives_one_token_for_all(
    server: OAuthServer,
) -> None:
    async with client(server, account(server)) as http:
        await asyncio.gather(*[http.get_json("items") for _ in range(20)])
        server.expire()
        await http.get_json("items")
    assert server.asked["/token"] == 2
    said = server.claims[0]
    assert (said["iss"], said["scope"], said["aud"]) == (WHO, SCOPES[0], server.token_url)


def test_another_implementation_reads_the_same_claims(server: OAuthServer) -> None:
    """PyJWT verifies the assertion, too."""
    jwt = pytest.importorskip("jwt", reason="PyJWT comes with Airflow")
    token = account(server).assertion(1_000_000_000.0)
    assert jwt.get_unverified_header(token) == {"alg": "RS256", "typ": "JWT", "kid": "abc"}
    said = jwt.decode(
        token,
        KEY.public_key(),
        algorithms=["RS256"],
        audience=server.token_url,
        options={"verify_exp": False, "verify_iat": False},
    )
    assert said["exp"] - said["iat"] == 3600


async def test_a_key_that_the_account_does_not_know_says_where_to_look(server: OAuthServer) -> None:
    other = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    async with client(server, account(server, private_key=pem(other))) as http:
        with pytest.raises(AuthenticationError, match=r"Google.*Service accounts, Keys"):
            await http.get_json("items")
    assert server.asked["/token"] == 1


@pytest.mark.parametrize("ahead", [-600, 600])
async def test_a_clock_that_is_ten_minutes_off_is_corrected_by_the_servers(
    server: OAuthServer, ahead: float
) -> None:
    """The endpoint's Date says what time it is; -600: our clock is ahead, so iat is too late."""
    server.ahead = ahead * 10  # past the hour for a clock that is behind
    async with client(server, account(server)) as http:
        await http.get_json("items")
    assert server.asked["/token"] == 2


@pytest.mark.parametrize("form", ["object", "text", "path", "password"])
async def test_a_key_is_found_wherever_a_connection_may_hold_it(
    server: OAuthServer, tmp_path: Path, form: str
) -> None:
    text = json.dumps(key_file(server))
    file = tmp_path / "key.json"
    file.write_text(text)
    credentials = {
        "object": Credentials(extra={"keyfile_dict": json.loads(text)}),
        "text": Credentials(extra={"keyfile_dict": text}),
        "path": Credentials(extra={"key_path": str(file)}),
        "password": Credentials(password=SecretStr(text)),
    }[form]
    auth = ServiceAccount(service_account_key(credentials), scopes=SCOPES)
    async with client(server, auth) as http:
        assert await http.get_json("items")
    assert "PRIVATE" not in repr(auth) + repr(vars(auth))


async def test_a_key_whose_line_ends_were_escaped_twice_still_signs(server: OAuthServer) -> None:
    async with client(server, account(server, private_key=pem(KEY).replace("\n", "\\n"))) as http:
        assert await http.get_json("items")


EC = pem(ec.generate_private_key(ec.SECP256R1()))


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("{not json hush", "is no JSON"),
        ([], "no JSON object"),
        ({"type": "authorized_user"}, "type is 'authorized_user'"),
        ({"client_email": WHO}, "lacks private_key"),
        ({"private_key": "hush"}, "lacks client_email"),
        ({"private_key": "hush", "client_email": WHO}, "private_key is no PEM key"),
        ({"private_key": EC, "client_email": WHO}, "no RSA key"),
        ({"private_key": pem(KEY), "client_email": WHO, "token_uri": "http://a.b"}, "token_uri"),
    ],
)
def test_a_malformed_key_file_is_named_by_its_field(given: Any, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said) as caught:
        read_key(given, where="keyfile_dict")
    assert "keyfile_dict" in str(caught.value)
    assert "hush" not in str(caught.value)


def test_a_connection_without_a_key_or_with_a_lost_file_says_so(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"keyfile_dict.*key_path"):
        service_account_key(Credentials())
    with pytest.raises(ConfigurationError, match=r"gone\.json cannot be read: No such file"):
        service_account_key(Credentials(extra={"key_path": str(tmp_path / "gone.json")}))
