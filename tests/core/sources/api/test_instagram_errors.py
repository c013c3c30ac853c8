"""What the Graph API's tokens, limits and errors become."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from pydantic import SecretStr

from airflow_provider_spotify.core.clients.http.client import Response
from airflow_provider_spotify.core.clients.oauth.tokens import forget_tokens
from airflow_provider_spotify.core.errors import (
    AuthenticationError,
    ConfigurationError,
    ForbiddenError,
    QuotaExhausted,
    TransientError,
)
from airflow_provider_spotify.core.model import Credentials
from airflow_provider_spotify.core.sources.api._instagram_errors import learn
from airflow_provider_spotify.core.sources.api.instagram import InstagramConfig, InstagramSource
from airflow_provider_spotify.core.testing.sources import read
from tests.services.instagram_api.fixtures import api, facebook, instagram, rows
from tests.services.instagram_api.server import TOKEN, InstagramApi
from tests.services.instagram_api.state import ACCOUNT
from tests.services.web_api.tokens import Token

__all__ = ["api", "facebook"]


@pytest.mark.parametrize("login", ["instagram", "facebook"])
def test_a_token_is_prolonged_by_its_login(login: str) -> None:
    """An app proves each request with its secret; the prolonged token is used from then on."""
    with InstagramApi(login=login) as api:
        assert len(rows(read(instagram(api, "media", app=True)))) == 95
        asked = [call for call in api.calls if call.path.startswith(api.free)]
        assert [call.status for call in asked] == [200]
        grants = {"instagram": "ig_refresh_token", "facebook": "fb_exchange_token"}
        assert asked[0].query["grant_type"] == grants[login]
        data = api.asked(f"/v26.0/{ACCOUNT}/media")
        assert all("appsecret_proof" in call.query for call in data)
    forget_tokens()


def test_a_token_in_its_first_day_is_used_as_it_is(api: InstagramApi) -> None:
    """Meta refuses to prolong it, and reading goes on."""
    api.given_at += 3 * 24 * 3600
    assert len(rows(read(instagram(api, "media")))) == 95


def test_a_token_that_has_ended_is_said_with_what_to_do(api: InstagramApi) -> None:
    """Code 190 with subcode 463."""
    api.tokens.given[TOKEN] = Token(ACCOUNT, frozenset(), 0.0)
    with pytest.raises(AuthenticationError, match="authorize instagram") as caught:
        read(instagram(api, "media"))
    assert TOKEN not in str(caught.value)


def test_a_token_that_is_missing_is_said_with_its_field(api: InstagramApi) -> None:
    """The message names where it belongs."""
    source = InstagramSource(InstagramConfig(resource="media"))
    with pytest.raises(ConfigurationError, match="access_token in extra"):
        read(source)
    assert api.calls == []


def test_facebook_login_needs_an_account(facebook: InstagramApi) -> None:
    """``me`` is the person there, not the account."""
    extra = {"api_url": facebook.url, "login_type": "facebook"}
    credentials = Credentials(password=SecretStr(TOKEN), extra=extra)
    source = InstagramSource(InstagramConfig(resource="media"), credentials=credentials)
    with pytest.raises(ConfigurationError, match="account_id"):
        read(source)


def test_used_up_calls_are_waited_for_as_long_as_meta_says(api: InstagramApi) -> None:
    """Code 80002 with an estimate of 19 minutes frees the worker for so long."""
    api.limits[0].count, api.regain = 2, 19
    began = time.monotonic()
    with pytest.raises(QuotaExhausted) as caught:
        read(instagram(api, "media", concurrency=1))
    passed = time.monotonic() - began
    assert caught.value.retry_after is not None
    assert 19 * 60 - passed <= caught.value.retry_after <= 19 * 60


@pytest.mark.parametrize("code", [4, 17, 32, 613])
def test_a_limit_without_an_estimate_frees_the_worker(api: InstagramApi, code: int) -> None:
    """The windows slide over an hour, and asking meanwhile prolongs the wait."""
    body = {"error": {"message": f"(#{code}) limit reached", "code": code, "fbtrace_id": "A"}}
    api.fault("expired_page", f"/{ACCOUNT}/media", after=2, times=99, body=body)
    with pytest.raises(QuotaExhausted, match="limit reached") as caught:
        read(instagram(api, "media"))
    assert caught.value.retry_after == 900


@pytest.mark.parametrize(
    ("status", "error", "kind"),
    [
        (
            400,
            {"code": 10, "message": "(#10) Application does not have permission"},
            ForbiddenError,
        ),
        (403, {"code": 200, "message": "(#200) Requires instagram_basic"}, ForbiddenError),
        (400, {"code": 190, "error_subcode": 460, "message": "changed"}, AuthenticationError),
        (500, {"code": 2, "message": "temporarily unavailable"}, TransientError),
        (400, {"code": 1, "message": "An unknown error occurred"}, TransientError),
        (400, {"code": 99, "message": "odd", "is_transient": True}, TransientError),
        (400, {"code": 100, "message": "(#100) nonexisting field"}, ConfigurationError),
        (400, {"code": 2635, "message": "deprecated version"}, ConfigurationError),
    ],
)
def test_a_code_says_what_the_caller_does_next(
    api: InstagramApi, status: int, error: dict[str, Any], kind: type[Exception]
) -> None:
    """Whatever the status is."""
    body = {"error": {**error, "type": "OAuthException", "fbtrace_id": "A"}}
    api.fault("expired_page", f"/{ACCOUNT}/media", times=99, status=status, body=body)
    with pytest.raises(kind, match=f"code {error['code']}"):
        read(instagram(api, "media", retry_attempts=1))


def test_a_failure_that_passes_costs_no_row(api: InstagramApi) -> None:
    """Code 2 comes with status 400, too, and is asked for again."""
    body = {"error": {"code": 2, "message": "try again", "fbtrace_id": "A"}}
    api.fault("expired_page", f"/{ACCOUNT}/media", after=2, times=2, body=body)
    assert len(rows(read(instagram(api, "media")))) == 95


def test_an_old_version_is_refused_with_the_key_to_change(api: InstagramApi) -> None:
    """Meta ends versions after some two years."""
    with pytest.raises(ConfigurationError, match="api_version"):
        read(instagram(api, "media", api_version="v20.0"))


def told(**headers: str) -> Any:
    """Return what an answer with such headers tells."""
    return learn(Response(200, headers, b"{}", "https://graph.instagram.com/v26.0/1"))


def test_headers_tell_how_busy_the_limits_are() -> None:
    """The highest percentage counts; an estimate means that access is lost; junk tells nothing."""
    assert told() is None
    app = told(**{"x-app-usage": '{"call_count": 28, "total_time": 95, "total_cputime": 3}'})
    assert (app.busy, app.reset, app.spent) == (0.95, None, False)
    use = [{"type": "instagram", "call_count": 100, "estimated_time_to_regain_access": 3}]
    business = told(**{"x-business-use-case-usage": json.dumps({"1": use})})
    assert (business.reset, business.spent) == (180, True)
    assert told(**{"x-app-usage": "no json"}) is None
