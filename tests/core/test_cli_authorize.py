"""The command authorize: the test plays the user's browser against a real authorization server."""

from __future__ import annotations

import http.client
import json
import os
import queue
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest

from airflow_provider_spotify.cli.exits import BAD_CALL, OK, TRY_LATER
from airflow_provider_spotify.core.clients.oauth.consent import challenge
from airflow_provider_spotify.core.clients.oauth.providers import PROVIDERS
from airflow_provider_spotify.core.environment import connection
from tests.services.oauth_server import OAuthServer

REPOSITORY = Path(__file__).parents[2]
SECRET = "SPOTIFY_IMPORTS_CLIENT_SECRET"


@pytest.fixture
def server() -> Iterator[OAuthServer]:
    with OAuthServer() as server:
        yield server


class Running:
    """The command as a process; what it says on stderr comes line by line."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.said: list[str] = []
        self._lines: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.said.append(line)
            self._lines.put(line)

    def page(self) -> str:
        """Return the address of the consent page."""
        while True:
            line = self._lines.get(timeout=120).strip()
            if line.startswith("http"):
                return line

    def end(self, pasted: str | None = None) -> tuple[int, str, str]:
        """Return exit code, stdout and stderr."""
        assert self.process.stdout is not None
        assert self.process.stdin is not None
        if pasted:
            self.process.stdin.write(f"{pasted}\n")
        self.process.stdin.close()
        output = self.process.stdout.read()
        code = self.process.wait(120)
        self._reader.join(10)
        self.process.stdout.close()
        return code, output, "".join(self.said)


@contextmanager
def command(*words: str, **environment: str) -> Iterator[Running]:
    """Run ``spotify-imports authorize`` with these words."""
    with subprocess.Popen(
        [sys.executable, "-m", "airflow_provider_spotify.cli", "authorize", *words],
        cwd=REPOSITORY,
        env={**{k: v for k, v in os.environ.items() if k != SECRET}, **environment},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        running = Running(process)
        try:
            yield running
        finally:
            process.kill()
            running._reader.join(10)


def known(server: OAuthServer, **fields: Any) -> dict[str, str]:
    """Give the environment of a connection that leads to the test's server."""
    addresses = {
        "authorize_url": f"{server.url}/authorize",
        "token_url": server.token_url,
        "exchange_url": f"{server.url}/exchange",
    }
    text = {"login": "app", "password": "app-secret", "extra": addresses, **fields}
    return {"AIRFLOW_CONN_MINE": json.dumps({k: v for k, v in text.items() if v is not None})}


def get(url: str) -> http.client.HTTPResponse:
    """Ask for a page as a browser does, and follow nothing."""
    parts = urlsplit(url)
    link = http.client.HTTPConnection(parts.netloc, timeout=60)
    link.request("GET", f"{parts.path}?{parts.query}")
    answer = link.getresponse()
    answer.read()
    link.close()
    return answer


def accept(page: str) -> str:
    """Consent, and return where the page leads."""
    answer = get(page)
    assert answer.status == 302, answer.status
    return answer.headers["Location"]


STANDARD = ("--connection", "mine", "--port", "0", "--no-browser")
SYSTEMS: dict[str, dict[str, Any]] = {
    "spotify": {"client_auth": {"authorization_code": "basic"}},
    "soundcloud": {"client_auth": {"authorization_code": "body"}},
    "tiktok": {"client_id_name": "client_key", "challenge": "hex"},
    "twitter": {"client_auth": {"authorization_code": "basic"}},
}


@pytest.mark.parametrize("system", SYSTEMS)
def test_a_consent_becomes_a_connection_with_a_refresh_token(
    server: OAuthServer, system: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The printed variable is read again as Airflow reads it."""
    for name, value in SYSTEMS[system].items():
        setattr(server, name, value)
    with command(system, *STANDARD, "--output", "env", **known(server)) as running:
        assert get(accept(running.page())).status == 200
        code, output, said = running.end()
    assert code == OK, said
    assert re.search(r"refresh-\d", output)
    assert not re.search(r"refresh-\d|access-\d|app-secret|code-\d", said)
    name, _, text = output.strip().partition("=")
    assert name == "AIRFLOW_CONN_MINE"
    monkeypatch.setenv(name, text.strip("'"))
    found = connection("mine")
    assert (found.login, found.secret()) == ("app", "app-secret")
    assert found.extra["refresh_token"] in server.refresh_tokens


@pytest.mark.parametrize("form", ["uri", "json"])
def test_the_other_forms_are_read_as_the_same_connection(
    server: OAuthServer, form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with command("spotify", *STANDARD, "--output", form, **known(server)) as running:
        get(accept(running.page()))
        code, output, said = running.end()
    assert code == OK, said
    monkeypatch.setenv("AIRFLOW_CONN_MINE", output.strip())
    found = connection("mine")
    assert (found.login, found.secret()) == ("app", "app-secret")
    assert found.extra["refresh_token"] in server.refresh_tokens
    assert found.extra["token_url"] == server.token_url


def test_an_app_without_a_secret_is_authorised_by_pkce_alone(server: OAuthServer) -> None:
    server.client_secret = None
    environment = known(server, password=None)
    with command("spotify", *STANDARD, "--output", "json", **environment) as running:
        get(accept(running.page()))
        code, output, said = running.end()
    assert code == OK, said
    assert "password" not in json.loads(output)


def test_instagrams_address_is_pasted_and_its_token_lives_long(server: OAuthServer) -> None:
    """Meta redirects to https only, and its answer ends in #_."""
    server.challenge, server.redirect_uris = None, ("https://localhost/callback",)
    server.client_auth = {"authorization_code": "body"}
    words = ("--connection", "mine", "--no-browser", "--output", "json")
    begun = int(time.time())
    with command("instagram", *words, **known(server)) as running:
        code, output, said = running.end(pasted=f"{accept(running.page())}#_")
    assert code == OK, said
    extra = json.loads(output)["extra"]
    assert extra["access_token"] in server.prolongable
    assert begun <= extra["access_token_obtained"] <= time.time()


def test_an_answer_with_another_state_is_refused_and_the_right_one_still_waited_for(
    server: OAuthServer,
) -> None:
    with command("spotify", *STANDARD, "--output", "json", **known(server)) as running:
        right = accept(running.page())
        parts = urlsplit(right)
        forged = urlencode({**dict(parse_qsl(parts.query)), "state": "forged"})
        assert get(parts._replace(query=forged).geturl()).status == 400
        assert get(parts._replace(path="/favicon.ico").geturl()).status == 404
        assert server.asked["/token"] == 0
        get(right)
        assert running.end()[0] == OK


def test_a_user_who_declines_ends_the_command(server: OAuthServer) -> None:
    with command("spotify", *STANDARD, "--output", "json", **known(server)) as running:
        asked = dict(parse_qsl(urlsplit(running.page()).query))
        declined = urlencode({"error": "access_denied", "state": asked["state"]})
        get(f"{asked['redirect_uri']}?{declined}")
        code, output, said = running.end()
    assert (code, output) == (BAD_CALL, "")
    assert "access_denied" in said


def test_a_code_that_the_server_refuses_ends_the_command_without_repeating_it(
    server: OAuthServer,
) -> None:
    with command("spotify", *STANDARD, "--output", "json", **known(server)) as running:
        where = accept(running.page())
        server.codes.clear()
        get(where)
        code, output, said = running.end()
    assert (code, output) == (BAD_CALL, "")
    assert "invalid_grant" in said
    assert not re.search(r"code-\d", said)


def test_nobody_answering_ends_the_command_in_time(server: OAuthServer) -> None:
    words = ("spotify", *STANDARD, "--output", "json", "--timeout", "0.3")
    with command(*words, **known(server)) as running:
        code, _, said = running.end()
    assert code == TRY_LATER
    assert "nobody answered within 0.3 s" in said


def test_the_secret_comes_from_the_environment_where_the_connection_has_none(
    server: OAuthServer,
) -> None:
    environment = {**known(server, password=None), SECRET: "app-secret"}
    with command("soundcloud", *STANDARD, "--output", "json", **environment) as running:
        get(accept(running.page()))
        code, output, said = running.end()
    assert code == OK, said
    assert json.loads(output)["password"] == "app-secret"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("spotify", "--client-id", "a"), "say where the connection goes: --save"),
        (("tiktok", "--client-id", "a", "--output", "json"), f"set {SECRET}"),
        (("spotify", "--output", "json", "--connection", "none"), "no connection 'none'"),
        (("myspace",), "invalid choice"),
        (("spotify", "--client-secret", "a"), "unrecognized arguments"),
    ],
)
def test_a_call_that_cannot_work_is_refused_before_any_page_opens(
    words: tuple[str, ...], said: str
) -> None:
    with command(*words, "--no-browser") as running:
        code, output, error = running.end()
    assert (code, output) == (BAD_CALL, "")
    assert said in error


def test_a_port_that_is_taken_is_named(server: OAuthServer) -> None:
    port = str(urlsplit(server.url).port)
    words = ("spotify", "--connection", "mine", "--port", port, "--output", "json")
    with command(*words, **known(server)) as running:
        code, _, said = running.end()
    assert code == BAD_CALL
    assert f"port {port}" in said


def test_the_challenge_is_the_one_of_the_rfc() -> None:
    """RFC 7636, appendix B; TikTok writes the same digest in hexadecimal."""
    verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
    assert challenge(verifier, form="base64url") == "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
    digest = "13d31e961a1ad8ec2f16b10c4c982e0876a878ad6df144566ee1894acb70f9c3"
    assert challenge(verifier, form="hex") == digest
    assert challenge(verifier, form=None) is None


def test_every_provider_is_reached_by_https_alone() -> None:
    for provider in PROVIDERS.values():
        addresses = (
            provider.authorize_url,
            provider.token_url,
            provider.docs,
            provider.exchange_url,
            provider.refresh_url,
        )
        assert all(address.startswith("https://") for address in addresses if address)
        assert f"authorize {provider.name}" in provider.remedy
