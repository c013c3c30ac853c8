"""How an HTTP client behaves: addresses, limits, waits and cache, as frozen data."""

from __future__ import annotations

import os
import re
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    SecretStr,
    TypeAdapter,
    field_validator,
    model_serializer,
)

from airflow_provider_spotify.core.config.rules import Duration
from airflow_provider_spotify.core.errors import ConfigurationError
from airflow_provider_spotify.core.model import Frozen

REDIS_SETTING = "SPOTIFY_IMPORTS_REDIS_URL"
"""The environment variable that names the Redis which all workers share their limits through."""

_DURATION: TypeAdapter[timedelta] = TypeAdapter(Duration)


class Rate(Frozen):
    """How many requests in how long a time; written ``5`` (each second) or ``100/30s``."""

    count: int = Field(ge=1)
    per: timedelta = Field(gt=timedelta(0))

    @property
    def milliseconds(self) -> int:
        """The length of the period in whole milliseconds, at least one."""
        return max(1, round(self.per.total_seconds() * 1000))

    @model_serializer
    def _text(self) -> str:
        return f"{self.count}/{_DURATION.dump_python(self.per)}"


def _rate(value: Any) -> Any:
    if isinstance(value, bool):
        return value
    if isinstance(value, int | float) or (isinstance(value, str) and _NUMBER.fullmatch(value)):
        return _per_second(float(value))
    if not isinstance(value, str):
        return value
    count, slash, per = value.partition("/")
    if not slash or not count.strip().isdigit():
        raise ValueError(f"{value!r} is not a rate; write 5 (each second) or 100/30s")
    per = per.strip()
    return {
        "count": int(count),
        "per": _DURATION.validate_python(per if per[:1].isdigit() else f"1{per}"),
    }


_NUMBER = re.compile(r"\d+(\.\d+)?")


def _per_second(number: float) -> Any:
    if number <= 0:
        raise ValueError(f"a rate is above zero, not {number:g}")
    if number >= 1 and number == int(number):
        return {"count": int(number), "per": timedelta(seconds=1)}
    count = max(1, round(number * 10)) if number >= 1 else 1
    return {"count": count, "per": timedelta(seconds=count / number)}


RateLimit = Annotated[Rate, BeforeValidator(_rate, json_schema_input_type=float | str)]
"""A rate, from a number of requests each second or a text such as ``100/30s`` or ``5/s``."""


def _address(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("base_url needs a scheme and a host: https://api.example.com/v1")
    if parts.username or parts.password:
        raise ValueError("base_url must hold no credentials; put them into the connection")
    if parts.query or parts.fragment:
        raise ValueError("base_url must hold no query or fragment; use params")
    return value.rstrip("/")


BaseUrl = Annotated[str, AfterValidator(_address)]
"""``https://host[:port][/prefix]`` without query, fragment or credentials."""


class HttpSettings(Frozen):
    """What an HTTP client needs to know beside its credentials.

    :param base_url: what relative paths are appended to; credentials go to its origin only
    :param allowed_hosts: other hosts (``name`` or ``name:port``) that may see the credentials
    :param timeout: the longest one attempt may take, from sending to the last byte of the body
    :param concurrency: the most requests that are under way at once; fewer while the system asks to
        slow down
    :param rate_limit: how many requests in how long; shared by all clients of the same host and
        credentials in this process, or on every worker with ``redis_url``
    :param retry_attempts: how often a request is tried in all
    :param server_error_attempts: how often one that the system fails at (5xx) is tried in all, for
        APIs that block whoever meets too many of these
    :param max_wait: a longer wait asked for by the system becomes QuotaExhausted
    :param quota_wait: when to ask again after a quota was used up, where the system does not say
        until when. An hour, as quotas are renewed by the hour (Meta) or the day (Google), and one
        refused request in an hour costs little
    :param max_bytes: a longer body is an error; bounds memory
    :param max_shared_bytes: what all bodies may hold together while they are read; of those that do
        not fit in, one at a time is read on, up to ``max_bytes``, and the others wait within their
        ``timeout``. 64 MiB are sixteen requests at once with pages of 4 MiB; an API's are below 1
    :param max_download_bytes: the same for ``download`` and ``stream``, which hold none in memory;
        bounds what fills a disk
    :param ca_certs: file of the authorities to trust, instead of the machine's own
    :param cache_ttl: keep answers this long (RFC 9111 decides on what may be kept); None: no cache
    :param cache_dir: folder of the cache's SQLite files; None: below the user's cache folder
    :param cache: where answers are kept: in a file of this machine, or in Redis for all workers
    :param cache_url: the Redis of the cache; None: that of ``redis_url``
    :param redis_url: the Redis that limits are shared through; None: the deployment's, which
        ``SPOTIFY_IMPORTS_REDIS_URL`` names, if it does; empty: none
    :param quota_group: what several credentials have in common that the system limits together,
        such as one developer account; by default each is limited alone
    """

    base_url: BaseUrl
    allowed_hosts: tuple[str, ...] = ()
    timeout: Duration = timedelta(seconds=60)
    concurrency: int = Field(16, ge=1, le=1000)
    rate_limit: RateLimit | None = None
    retry_attempts: int = Field(5, ge=1, le=20)
    server_error_attempts: int | None = Field(None, ge=1, le=20)
    max_wait: Duration = timedelta(seconds=60)
    quota_wait: Duration = timedelta(hours=1)
    max_bytes: int = Field(256 * 1024 * 1024, ge=1)
    max_shared_bytes: int = Field(64 * 1024 * 1024, ge=1)
    max_download_bytes: int = Field(16 * 1024**3, ge=1)
    ca_certs: Path | None = None
    cache_ttl: Duration | None = None
    cache_dir: Path | None = None
    cache: Literal["sqlite", "redis"] = "sqlite"
    cache_url: SecretStr | None = None
    redis_url: SecretStr | None = Field(None, validate_default=True)
    quota_group: str | None = None
    user_agent: str = "airflow-provider-spotify"

    def cache_redis(self) -> SecretStr | None:
        """Return the Redis that answers are kept in; None where they are kept in files.

        :raises ConfigurationError: if there is to be one, and none is named
        """
        if self.cache != "redis":
            return None
        if not (url := self.cache_url or self.redis_url):
            raise ConfigurationError(
                "cache: redis needs a Redis: put cache_url or redis_url into the connection's "
                f"extra, or set {REDIS_SETTING}"
            )
        return url

    @field_validator("redis_url", mode="before")
    @classmethod
    def _of_deployment(cls, value: Any) -> Any:
        given = os.environ.get(REDIS_SETTING) if value is None else value
        return given or None
