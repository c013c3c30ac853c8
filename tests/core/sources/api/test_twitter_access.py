"""Who may read X, and what is refused before anything is billed."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from pydantic import SecretStr, ValidationError

from airflow_provider_spotify.core.clients.oauth.grants import forget_tokens, signed_in
from airflow_provider_spotify.core.errors import (
    AuthenticationError,
    ConfigurationError,
    ForbiddenError,
)
from airflow_provider_spotify.core.model import Credentials
from airflow_provider_spotify.core.sources.api.twitter import TwitterConfig
from airflow_provider_spotify.core.testing.sources import read
from tests.core.chunks import rows
from tests.core.sources.api.twitter_live import LIVE, serving, source
from tests.services.twitter_api.server import (
    API_KEY,
    API_SECRET,
    CLIENT,
    REFRESH,
    SECRET,
    TwitterApi,
)

x = pytest.fixture(serving)


def test_the_archive_needs_entitlement(x: TwitterApi) -> None:
    """403 client-forbidden says so; with it a page has 500 posts, without topics."""
    options: dict[str, Any] = {"resource": "search_all", "queries": ["#live"]}
    read(source(x, **options))
    assert x.calls[0].query["max_results"] == "500"
    assert "context_annotations" not in x.calls[0].query["tweet.fields"]
    x.entitled = False
    with pytest.raises(ForbiddenError, match="enrol"):
        read(source(x, **options))


def test_liked_posts_need_a_user(x: TwitterApi) -> None:
    """The app's own token is refused; the user's is renewed by its refresh token, once."""
    options: dict[str, Any] = {"resource": "liked_posts", "ids": ["1000"]}
    with pytest.raises(ForbiddenError):
        read(source(x, **options))
    user = Credentials(
        login=CLIENT,
        password=SecretStr(SECRET),
        extra={"refresh_token": REFRESH, "token_url": f"{x.url}/2/oauth2/token"},
    )
    found = rows(read(source(x, credentials=user, **options)))
    assert len(found) == 40
    assert {row["liked_by"] for row in found} == {"1000"}
    assert REFRESH not in x.tokens.refresh
    health = asyncio.run(source(x, credentials=user, **options).check())
    assert health.ok, health.message


def test_the_test_button_is_free(x: TwitterApi) -> None:
    """check() asks for the app's usage, and says it."""
    health = asyncio.run(source(x, **LIVE).check())
    assert (health.ok, "125 of 3000000" in health.message) == (True, True)
    assert [call.path for call in x.calls] == ["/2/usage/tweets"]


def test_a_refused_parameter_is_named(x: TwitterApi) -> None:
    """400 tells what was wrong, and where fields were renamed what to set."""
    x.vocabularies = {"post"}
    with pytest.raises(ConfigurationError, match=r"referenced_tweets\.id.*set vocabulary"):
        read(source(x, **LIVE))


def test_a_connection_without_a_token_is_refused(x: TwitterApi) -> None:
    """The message names the fields of the connection."""
    with pytest.raises(ConfigurationError, match="bearer token as password"):
        read(source(x, credentials=Credentials(login="a"), **LIVE))


def test_an_api_key_obtains_the_apps_token(x: TwitterApi) -> None:
    """It is asked for once; a wrong one is refused with what to look at, and not shown."""
    forget_tokens()
    extra = {"token_url": f"{x.url}/oauth2/token"}
    app = Credentials(login=API_KEY, password=SecretStr(API_SECRET), extra=extra)
    assert len(rows(read(source(x, credentials=app, **LIVE)))) == 120
    assert [call.path for call in x.calls].count("/oauth2/token") == 1
    wrong = Credentials(login=API_KEY, password=SecretStr("wrong-1f60"), extra=extra)
    with pytest.raises(AuthenticationError, match=r"answered 403.*check client id, secret") as told:
        read(source(x, credentials=wrong, **LIVE))
    assert "wrong-1f60" not in str(told.value)


def test_an_app_and_a_user_sign_in_at_their_own_addresses() -> None:
    """X gives an app's token elsewhere than a user's."""
    app = Credentials(login=API_KEY, password=SecretStr(API_SECRET))
    user = Credentials(login=CLIENT, extra={"refresh_token": REFRESH})
    found = [signed_in(each, provider="twitter").token_url for each in (app, user)]
    assert found == ["https://api.x.com/oauth2/token", "https://api.x.com/2/oauth2/token"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"resource": "search_recent"}, "needs queries"),
        ({"resource": "user_posts", "ids": ["acme"]}, "ids: 'acme'"),
        ({"resource": "users_by_username", "usernames": ["@acme"]}, "usernames"),
        ({"resource": "counts_all_by_day", "queries": ["a"]}, "needs start"),
        ({**LIVE, "exclude": ["replies"]}, "-is:retweet"),
    ],
)
def test_wrong_keys_are_refused_early(options: dict[str, Any], said: str) -> None:
    """A config that cannot be read says so before anything is billed."""
    with pytest.raises(ValidationError, match=said):
        TwitterConfig.model_validate(options)
