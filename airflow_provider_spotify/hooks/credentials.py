"""Turns Airflow's connections into the core's Credentials."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseHook
from airflow.sdk.exceptions import AirflowNotFoundException
from airflow.sdk.log import mask_secret
from pydantic import SecretStr

from airflow_provider_spotify.core.errors import ConfigurationError
from airflow_provider_spotify.core.model import Credentials

if TYPE_CHECKING:
    from airflow.sdk import Connection


def connection(conn_id: str) -> Connection:
    """Return an Airflow connection.

    :raises ConfigurationError: if there is no such connection
    """
    try:
        return BaseHook.get_connection(conn_id)
    except AirflowNotFoundException:
        raise _missing(conn_id) from None


def credentials(conn_id: str) -> Credentials:
    """Return the credentials that an Airflow connection holds; Airflow masks them in logs.

    :raises ConfigurationError: if there is no such connection
    """
    return translate(connection(conn_id))


async def acredentials(conn_id: str) -> Credentials:
    """Return the same inside an event loop, where the blocking call could deadlock.

    :raises ConfigurationError: if there is no such connection
    """
    try:
        found = await BaseHook.aget_connection(conn_id)
    except AirflowNotFoundException:
        raise _missing(conn_id) from None
    return await asyncio.to_thread(translate, found)


def translate(connection: Connection) -> Credentials:
    """Turn a connection into Credentials, as its type's official hook would read it."""
    extra = dict(connection.extra_dejson)
    fields: dict[str, Any] = {
        "host": connection.host,
        "port": connection.port,
        "login": connection.login,
        "password": SecretStr(connection.password) if connection.password else None,
        "database": connection.schema,
        "extra": extra,
    }
    if adapt := _ADAPT.get(connection.conn_type or ""):
        fields |= adapt(connection, extra)
    return Credentials(**{key: value for key, value in fields.items() if value is not None})


def _http(connection: Connection, extra: dict[str, Any]) -> dict[str, Any]:  # noqa: ARG001
    """Read host, port and schema as HttpHook does: together they are the base URL."""
    host = connection.host or ""
    if host and "://" not in host:
        host = f"{connection.schema or 'http'}://{host}"
    if host and connection.port:
        host = f"{host}:{connection.port}"
    return {"host": host or None, "port": None, "database": None}


def _postgres(connection: Connection, extra: dict[str, Any]) -> dict[str, Any]:
    """Ask AWS for a short-lived password where the connection says ``iam``."""
    if not extra.get("iam"):
        return {}
    from airflow.providers.postgres.hooks.postgres import PostgresHook

    hook = PostgresHook(postgres_conn_id=connection.conn_id)
    login, password, port = hook.get_iam_token(connection)
    mask_secret(password)
    return {"login": login, "password": SecretStr(password), "port": port}


def _aws(connection: Connection, extra: dict[str, Any]) -> dict[str, Any]:
    """Let the official hook find the key pair: from the connection, a role or the machine."""
    from airflow.providers.amazon.aws.hooks.base_aws import AwsBaseHook

    hook = AwsBaseHook(aws_conn_id=connection.conn_id, client_type="s3")
    known = {
        "region_name": hook.region_name,
        "endpoint_url": hook.conn_config.get_service_endpoint_url("s3"),
    }
    pair: dict[str, Any] = {}
    if found := hook.get_session().get_credentials():
        keys = found.get_frozen_credentials()
        mask_secret(keys.secret_key)
        known["aws_session_token"] = keys.token
        pair = {"login": keys.access_key, "password": SecretStr(keys.secret_key)}
    return {**pair, "extra": {**extra, **{key: value for key, value in known.items() if value}}}


def _kafka(connection: Connection, extra: dict[str, Any]) -> dict[str, Any]:
    """Let the official hook complete the settings: tokens of AWS or Google, allowed callbacks."""
    from airflow.providers.apache.kafka.hooks.base import KafkaBaseHook

    if not extra.get("bootstrap.servers"):
        return {}  # host and port, as the core reads them
    try:
        hook = KafkaBaseHook(connection.conn_id)  # type: ignore[no-untyped-call]
        return {"extra": hook._build_config()}
    except ValueError as error:
        raise ConfigurationError(f"connection {connection.conn_id!r}: {error}") from None


def _redis(connection: Connection, extra: dict[str, Any]) -> dict[str, Any]:  # noqa: ARG001
    """Take for no password what the official hook takes for none."""
    unset = str(connection.password).lower() in ("none", "false", "")
    return {"password": None} if unset else {}


_ADAPT: Mapping[str, Callable[[Any, dict[str, Any]], dict[str, Any]]] = {
    "aws": _aws,
    "http": _http,
    "kafka": _kafka,
    "postgres": _postgres,
    "redis": _redis,
}
"""The connection types whose official hooks know more than the connection's fields."""


def _missing(conn_id: str) -> ConfigurationError:
    return ConfigurationError(
        f"there is no Airflow connection {conn_id!r}: create it under Admin, Connections,"
        f" or set AIRFLOW_CONN_{conn_id.upper()}"
    )
