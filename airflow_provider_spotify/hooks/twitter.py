"""The hook of X's API v2."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from airflow.sdk import BaseHook

from airflow_provider_spotify.core.sources.base import Source
from airflow_provider_spotify.hooks.base import SourceHook


class TwitterHook(SourceHook, BaseHook):
    """Reach X as one app, or as one of its users.

    As an app: the connection's password is the app's bearer token, and there is no login; or the
    API key is the login and its secret the password, which obtain that token
    (https://developer.x.com/en/docs/authentication/api-reference/token).

    As a user: the client id as login, the client secret as password (a public client has none) and
    ``refresh_token`` in extra; each works once, so name a ``token_store`` in extra that all workers
    share (https://docs.x.com/fundamentals/authentication/oauth-2-0/authorization-code).

    :param twitter_conn_id: the Airflow connection
    :param tenant: whose requests they are; rate limits and caches are kept apart by it
    """

    conn_name_attr = "twitter_conn_id"
    default_conn_name = "twitter_default"
    conn_type = "twitter"
    hook_name = "X"
    source_type = "twitter"
    test_options: ClassVar[Mapping[str, Any]] = {
        "resource": "users_by_username",
        "usernames": ["XDevelopers"],
    }

    def __init__(
        self, twitter_conn_id: str = default_conn_name, *, tenant: str = "default"
    ) -> None:
        super().__init__()
        self.twitter_conn_id = twitter_conn_id
        self.tenant = tenant

    def get_conn(self) -> Source[Any]:
        """Return the source that a connection test uses."""
        return self.get_source(**self.test_options)
