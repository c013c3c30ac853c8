"""What the held parts of a load add up to, whichever destination holds them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from airflow_provider_spotify.core.errors import ConfigurationError
from airflow_provider_spotify.core.model import Cursor, load_id
from airflow_provider_spotify.core.sinks.base import LoadSpec, Progress

if TYPE_CHECKING:
    import pyarrow as pa


def whole_id(spec: LoadSpec) -> int:
    """Return the id of the load that a part belongs to; of any other load, its own."""
    if spec.run.part is None:
        return spec.load_id
    return load_id(spec.tenant, spec.import_name, spec.run.model_copy(update={"part": None}))


def named(numbers: Sequence[int], *, of: int) -> str:
    """Name parts for a message: ``parts 1 and 3 of 4``."""
    listed = [str(number) for number in numbers]
    if len(listed) == 1:
        return f"part {listed[0]} of {of}"
    return f"parts {', '.join(listed[:-1])} and {listed[-1]} of {of}"


def require_held(spec: LoadSpec, held: Mapping[int, object]) -> None:
    """See that every part is held.

    :param held: those that are, by their ids
    :raises ConfigurationError: naming the parts that are not
    """
    numbers = [number for number, part in enumerate(spec.parts, 1) if part not in held]
    if numbers:
        missing = named(numbers, of=len(spec.parts))
        are = "are" if len(numbers) > 1 else "is"
        raise ConfigurationError(
            f"{spec.import_name}: {missing} of run {spec.run.run_id!r} {are} not held, so the load "
            "cannot be published; run the parts first"
        )


def summed(held: Sequence[Progress], *, since: Cursor | None) -> Progress:
    """Return what parts made durable together: sums, the widest schema, the newest moments."""
    newest: dict[str, str] = {}
    for progress in held:
        for name, moment in progress.newest.items():
            newest[name] = max(newest.get(name, moment), moment)
    return Progress(
        cursor=since,
        schema=_widest([p.schema for p in held if p.schema is not None]),
        rows=sum(p.rows for p in held),
        rejected=sum(p.rejected for p in held),
        newest=newest,
    )


def _widest(schemas: Sequence[pa.Schema]) -> pa.Schema | None:
    import pyarrow as pa

    fields: dict[str, pa.Field] = {}
    for schema in schemas:
        for field in schema:
            fields[field.name] = _wider(fields.get(field.name, field), field)
    return pa.schema([*fields.values()]) if schemas else None


def _wider(one: pa.Field, other: pa.Field) -> pa.Field:
    """Return the field that holds both; what is said of its values only if it holds for both."""
    import pyarrow as pa

    from airflow_provider_spotify.core.sinks.sql.types import join

    if one.equals(other, check_metadata=True):
        return one
    type_ = join(one.type, other.type)
    for field, less in ((one, other), (other, one)):
        same = field.metadata == less.metadata or pa.types.is_null(less.type)
        if field.type == type_ and same:
            return field
    return pa.field(one.name, type_)
