"""Reads the options of ``get_importer``: one flat mapping becomes plan, credentials and key.

An option is, in this order: a key of the source's Config; a key of an import in a tenant's YAML
(``table``, ``write``, ``contract``, ``quality`` …); ``destination``; a credential; or
``retry_attempts``, which without a key of that name tries the whole import again.

Credentials that the options leave out come from the environment: ``POSTGRES_URL``,
``MONGODB_URL``, ``REDIS_URL``, ``PULSAR_URL``, ``KAFKA_BROKERS``, ``SPOTIFY_CLIENT_ID``,
``SPOTIFY_CLIENT_SECRET`` (and the two of ``SOUNDCLOUD``), ``TWITTER_BEARER_TOKEN``,
``LASTFM_API_KEY``, ``JWT_SECRET``, and ``ENCRYPTION_KEY`` for the tenant's privacy key.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import SecretStr, ValidationError

from airflow_provider_spotify.core import registry
from airflow_provider_spotify.core.config.document import read
from airflow_provider_spotify.core.config.explain import complaints
from airflow_provider_spotify.core.config.layers import merge
from airflow_provider_spotify.core.config.plans import ImportPlan, ImportSettings
from airflow_provider_spotify.core.config.problems import did_you_mean, spell
from airflow_provider_spotify.core.errors import ConfigurationError
from airflow_provider_spotify.core.model import Credentials
from airflow_provider_spotify.core.sinks.base import Sink
from airflow_provider_spotify.core.sources.base import Source

ALIASES = {
    "spotify_api": "spotify",
    "postgres": "postgresql",
    "mongo": "mongodb",
    "lastfm_api": "lastfm",
    "last_fm": "lastfm",
    "json": "jsonl",
    "rest_api": "rest",
    "http": "rest",
    "x": "twitter",
    "ga4": "google_analytics",
}
OPTION_NAMES = {
    "consumer_group": ("consumer_group", "group", "group_id"),
    "auto_offset_reset": ("auto_offset_reset", "start", "offset"),
    "max_poll_records": ("max_poll_records", "batch_size"),
    "pool_size": ("pool_size", "connections"),
}
"""Options by the names that their systems use, and the Config keys that may stand for them."""

_LOGIN = ("login", "user", "username", "client_id")
_PASSWORD = ("password", "client_secret", "api_key", "token")
_URL = ("url", "uri", "connection_url", "connection_string")
_PLACE = {"host": "host", "port": "port", "database": "database", "dbname": "database"}
_EXTRA = ("refresh_token", "access_token", "jwt_secret", "extra")
CREDENTIALS = (*_URL, *_PLACE, *_LOGIN, *_PASSWORD, *_EXTRA)
_IMPORT = (*ImportSettings.model_fields, "table", "privacy")
_OWN = ("destination", "name", "encryption_key", "retry_attempts")


class Chosen(NamedTuple):
    """Everything that an importer is made of."""

    plan: ImportPlan
    source: Source[Any]
    sink: Sink[Any]
    key: bytes | None
    tries: int


def choose(name: str, *, tenant: str, config: Mapping[str, Any], file: str | Path | None) -> Chosen:
    """Build what an importer needs.

    :raises ConfigurationError: if the source, an option or its value is wrong
    """
    kind = ALIASES.get(name, name)
    source: type[Source[Any]] = registry.source(kind)
    options = merge(_from_file(file, name=name, kind=kind), config)
    where = f"get_importer({name!r})"
    keys, rest = _split(source.Config, options)
    unknown = [key for key in rest if key not in (*_IMPORT, *_OWN, *CREDENTIALS)]
    if unknown:
        known = [*source.Config.model_fields, *OPTION_NAMES, *_IMPORT, *_OWN, *CREDENTIALS]
        raise ConfigurationError(
            f"{where}: unknown option {unknown[0]!r}; {did_you_mean(unknown[0], known)}"
        )
    checked = _validated(source.Config, keys, where=where)
    sink, destination = _destination(rest.get("destination"), tenant=tenant, where=where)
    plan = _validated(
        ImportPlan,
        {
            "table": rest.get("name", kind),
            **{key: value for key, value in rest.items() if key in _IMPORT},
            "tenant": tenant,
            "name": rest.get("name", kind),
            "source": {"type": kind, "config": checked},
            "destination": destination,
        },
        where=where,
    )
    credentials = _credentials(rest, environment=_ENVIRONMENT.get(kind))
    secret = rest.get("encryption_key") or os.environ.get("ENCRYPTION_KEY")
    return Chosen(
        plan,
        source(checked, credentials=credentials, tenant=tenant),
        sink,
        secret.encode() if isinstance(secret, str) else secret,
        int(rest.get("retry_attempts", 1)),
    )


def _from_file(file: str | Path | None, *, name: str, kind: str) -> Mapping[str, Any]:
    """Return what the ``importers:`` mapping of a YAML file says of an importer."""
    if file is None:
        return {}
    try:
        document = read(Path(file).read_text("utf-8"), file=str(file))
    except OSError as error:
        raise ConfigurationError(f"cannot read {str(file)!r}: {error.strerror}") from error
    if document.problems:
        raise ConfigurationError("\n".join(map(str, document.problems)))
    importers = document.data.get("importers")
    if not isinstance(importers, Mapping):
        raise ConfigurationError(f"{file}: expected importers: {{{kind}: {{…}}}}")
    found = importers.get(name, importers.get(kind)) or {}
    if not isinstance(found, Mapping):
        raise ConfigurationError(f"{file}: importers.{name}: expected a mapping of options")
    return found


def _split(config: Any, options: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Tell the keys of a Config from the other options."""
    fields = {field.alias or name: name for name, field in config.model_fields.items()}
    keys: dict[str, Any] = {}
    rest: dict[str, Any] = {}
    for option, value in options.items():
        meant = next((n for n in OPTION_NAMES.get(option, (option,)) if n in fields), None)
        if meant is not None:
            keys[meant] = value
        else:
            rest[option] = value
    return keys, rest


def _validated(model: Any, data: dict[str, Any], *, where: str) -> Any:
    try:
        return model.model_validate(data)
    except ValidationError as error:
        found = complaints(error, model=model, data=data)
        said = "; ".join(f"{spell(c.path)}: {c.message}" if c.path else c.message for c in found)
        raise ConfigurationError(f"{where}: {said}") from None


def _destination(option: Any, *, tenant: str, where: str) -> tuple[Sink[Any], dict[str, Any]]:
    """Build the sink: one DuckDB file per tenant, unless the options say otherwise."""
    if option is None:
        option = {"type": "duckdb", "path": f"warehouse/{tenant}.duckdb"}
    elif isinstance(option, str | Path):
        option = {"type": "duckdb", "path": str(option)}
    if not isinstance(option, Mapping) or not isinstance(option.get("type"), str):
        raise ConfigurationError(f"{where}: destination takes a path or {{type: …, …}}")
    name = option["type"]
    kind: type[Sink[Any]] = registry.sink(name)
    given = {key: value for key, value in option.items() if key != "type"}
    keys, rest = _split(kind.Config, given)
    unknown = [key for key in rest if key not in CREDENTIALS]
    if unknown:
        hint = did_you_mean(unknown[0], [*kind.Config.model_fields, *CREDENTIALS])
        raise ConfigurationError(f"{where}: destination: unknown option {unknown[0]!r}; {hint}")
    config = _validated(kind.Config, keys, where=f"{where}: destination")
    environment = {"postgres": _ENVIRONMENT["postgresql"]}.get(name)
    credentials = _credentials(rest, environment=environment)
    sink = kind(config, credentials=credentials, tenant=tenant)
    return sink, {"type": name, "config": config}


def _credentials(
    options: Mapping[str, Any], *, environment: Callable[[], Credentials | None] | None
) -> Credentials:
    """Put credentials together: the options first, then the environment for what they lack."""
    given = {key: options[key] for key in CREDENTIALS if options.get(key) is not None}
    base = Credentials()
    url = next((str(given[key]) for key in _URL if key in given), None)
    if url is not None:
        base = _from_url(url)
    elif environment is not None:
        base = environment() or base
    changes: dict[str, Any] = {field: given[key] for key, field in _PLACE.items() if key in given}
    if login := next((given[key] for key in _LOGIN if key in given), None):
        changes["login"] = str(login)
    if password := next((given[key] for key in _PASSWORD if key in given), None):
        changes["password"] = SecretStr(str(password))
    extra = {key: str(given[key]) for key in _EXTRA if key in given and key != "extra"}
    changes["extra"] = {**base.extra, **given.get("extra", {}), **extra}
    return base.model_copy(update=changes)


def _url(variable: str) -> Callable[[], Credentials | None]:
    def found() -> Credentials | None:
        text = os.environ.get(variable)
        return _from_url(text) if text else None

    return found


def _from_url(text: str) -> Credentials:
    """Read a URL; ``rediss://`` means TLS, which Credentials hold in extra."""
    found = Credentials.from_uri(text)
    if text.partition("://")[0] != "rediss":
        return found
    return found.model_copy(update={"extra": {"ssl": "true", **found.extra}})


def _pair(login: str | None, password: str) -> Callable[[], Credentials | None]:
    def found() -> Credentials | None:
        name, secret = os.environ.get(login or ""), os.environ.get(password)
        return Credentials(login=name, password=SecretStr(secret) if secret else None)

    return found


def _brokers() -> Credentials | None:
    text = os.environ.get("KAFKA_BROKERS")
    return Credentials(host=text, extra={"bootstrap.servers": text}) if text else None


def _jwt() -> Credentials | None:
    text = os.environ.get("JWT_SECRET")
    return Credentials(extra={"jwt_secret": text}) if text else None


_ENVIRONMENT: Mapping[str, Callable[[], Credentials | None]] = {
    "postgresql": _url("POSTGRES_URL"),
    "mongodb": _url("MONGODB_URL"),
    "redis": _url("REDIS_URL"),
    "redis_streams": _url("REDIS_URL"),
    "pulsar": _url("PULSAR_URL"),
    "kafka": _brokers,
    "spotify": _pair("SPOTIFY_CLIENT_ID", "SPOTIFY_CLIENT_SECRET"),
    "soundcloud": _pair("SOUNDCLOUD_CLIENT_ID", "SOUNDCLOUD_CLIENT_SECRET"),
    "twitter": _pair(None, "TWITTER_BEARER_TOKEN"),
    "lastfm": _pair(None, "LASTFM_API_KEY"),
    "rest": _jwt,
}
"""Where the credentials of a source come from if the options name none."""
