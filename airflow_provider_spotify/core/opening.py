"""Opens what a plan names: its source, its sink and its tenant's key."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

from airflow_provider_spotify.core import registry
from airflow_provider_spotify.core.config.checks import reread_finding
from airflow_provider_spotify.core.config.plans import DestinationPlan, ImportPlan, SourcePlan
from airflow_provider_spotify.core.errors import ConfigurationError
from airflow_provider_spotify.core.model import Credentials
from airflow_provider_spotify.core.sinks.base import Sink
from airflow_provider_spotify.core.sources.base import Source

Resolver: TypeAlias = Callable[[str], Credentials]
"""Finds the credentials of a connection id: Airflow's connections, or environment variables."""


class Opened(NamedTuple):
    """Everything ``run_import`` needs besides the plan."""

    source: Source[Any]
    sink: Sink[Any]
    key: bytes | None


def open_source(plan: SourcePlan, *, tenant: str, resolve: Resolver) -> Source[Any]:
    """Build a source from its plan; nothing is connected yet."""
    kind: type[Source[Any]] = registry.source(plan.type)
    return kind(plan.config, credentials=_credentials(plan.connection, resolve), tenant=tenant)


def open_sink(plan: DestinationPlan, *, tenant: str, resolve: Resolver) -> Sink[Any]:
    """Build a sink from its plan; nothing is connected yet."""
    kind: type[Sink[Any]] = registry.sink(plan.type)
    return kind(plan.config, credentials=_credentials(plan.connection, resolve), tenant=tenant)


def open_plan(plan: ImportPlan, *, resolve: Resolver) -> Opened:
    """Build the source, the sink and the key of an import.

    :raises ConfigurationError: if the connection of the tenant's key holds no password
    """
    return Opened(
        open_source(plan.source, tenant=plan.tenant, resolve=resolve),
        open_sink(plan.destination, tenant=plan.tenant, resolve=resolve),
        open_key(plan.privacy.key, resolve=resolve),
    )


def refuse_append(plan: ImportPlan, source: Source[Any]) -> None:
    """Make sure that rows which come again are not added again.

    :raises ConfigurationError: if they would be
    """
    for (_, key), said in reread_finding(plan, source.rereads()):
        raise ConfigurationError(f"{plan.dag_id}: write.{key}: {said}")


def supplied(source: Source[Any], *, sink: Sink[Any], table: str) -> Source[Any]:
    """Give a source the values of the destination that it wants, if it wants any.

    :param table: the import's own table
    """
    wanted = source.wants()
    if wanted is None:
        return source
    own = (table, wanted.own) if wanted.own else None
    return source.given(sink.values(wanted.table, wanted.column, missing_from=own))


def open_key(connection: str | None, *, resolve: Resolver) -> bytes | None:
    """Return the key material of a tenant: the password of the connection that holds it."""
    if connection is None:
        return None
    secret = resolve(connection).secret()
    if not secret:
        raise ConfigurationError(f"connection {connection!r} holds no password to use as key")
    return secret.encode()


def _credentials(connection: str | None, resolve: Resolver) -> Credentials:
    return Credentials() if connection is None else resolve(connection)
