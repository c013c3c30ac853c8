"""The parts of a plan that operators, sensors and hooks share: where from, and where to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from airflow_provider_spotify.core import registry
from airflow_provider_spotify.core.config.plans import DestinationPlan, ImportPlan, SourcePlan
from airflow_provider_spotify.core.errors import ConfigurationError
from airflow_provider_spotify.core.model import Frozen
from airflow_provider_spotify.hooks.credentials import connection as named
from airflow_provider_spotify.hooks.options import (
    connection_argument,
    options,
    plain,
    refuse_unknown,
    validate,
)

if TYPE_CHECKING:
    from airflow.sdk import Connection


def source_plan(
    source_type: str, given: Mapping[str, Any], *, connection: str | None, where: str
) -> SourcePlan:
    """Build the plan of a source from rendered options, under their YAML keys.

    :raises ConfigurationError: if an option is wrong, or still a template
    """
    config = validate(registry.source(source_type).Config, given, where=where)
    if config is None:
        raise ConfigurationError(f"{where}: a template was not rendered")
    return SourcePlan(type=source_type, connection=connection, config=config)


def destination_plan(destination: str | Mapping[str, Any], *, where: str) -> DestinationPlan:
    """Build the plan of a destination: a connection id alone names its type by its own.

    :raises ConfigurationError: if nothing can be written to with that connection
    """
    given = {"connection": destination} if isinstance(destination, str) else dict(destination)
    connection, kind = given.pop("connection", None), given.pop("type", None)
    if connection is not None and kind in (None, "duckdb"):
        found = named(connection)
        kind = kind or _sink_of(found, where=where)
        given = _place(found) | given
    config = validate(registry.sink(str(kind)).Config, given, where=f"{where}: destination")
    if config is None:
        raise ConfigurationError(f"{where}: a template in destination was not rendered")
    return DestinationPlan(type=str(kind), connection=connection, config=config)


def check_destination(destination: Any, *, where: str) -> None:
    """Judge as much of a destination as needs neither its library nor its connection.

    :raises ConfigurationError: if it is neither a connection id nor a mapping with a known type
    """
    if not isinstance(destination, Mapping):
        if not destination:
            raise ConfigurationError(f"{where}: destination is a connection id or a mapping")
        return
    if kind := destination.get("type"):
        refuse_unknown([kind], known=registry.sinks(), where=f"{where}: destination.type")
    elif not destination.get("connection"):
        raise ConfigurationError(f"{where}: destination needs a type, a connection or both")


def source_arguments(plan: ImportPlan) -> dict[str, Any]:
    """Return a plan's source and destination as the arguments of an operator or a sensor.

    Only what differs from the default is there, in the words of the YAML, so that the same plan
    always gives the same task. Its templates are confined to the run.
    """
    source, sink = plan.source, plan.destination
    given = source_words(source.type, source.config)
    if (name := connection_argument(source.type)) and source.connection:
        given[name] = source.connection
    destination = {"type": sink.type, "connection": sink.connection, **plain(sink.config)}
    given["destination"] = {key: value for key, value in destination.items() if value is not None}
    return given | {"tenant": plan.tenant, "import_name": plan.name, "confined": True}


def source_words(source_type: str, config: Frozen) -> dict[str, Any]:
    """Return a source's Config as arguments, without those that are as by default."""
    names = {option.key: option.argument for option in options(source_type)}
    given = config.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    return {names[key]: value for key, value in given.items()}


def _sink_of(connection: Connection, *, where: str) -> str:
    """Return the destination that a connection leads to, by the connection's type."""
    found = {registry.sink(name).conn_type or name: name for name in registry.sinks()}
    if connection.conn_type not in found:
        raise ConfigurationError(
            f"{where}: connection {connection.conn_id!r} is of type {connection.conn_type!r},"
            f" which is no destination; use one of type {', '.join(sorted(found))},"
            " or say destination={'type': …}"
        )
    return found[connection.conn_type]


def _place(connection: Connection) -> dict[str, Any]:
    """Return what a connection of type ``duckdb`` says that is an option of the destination."""
    if connection.conn_type != "duckdb":
        return {}
    named = {"path": connection.host, "schema": connection.schema}
    return {key: value for key, value in named.items() if value}
