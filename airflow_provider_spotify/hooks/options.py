"""Turns a source's Config into keyword arguments: their names, types, defaults and docs."""

from __future__ import annotations

import difflib
import functools
import inspect
import operator
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime, timedelta
from functools import cache
from types import UnionType
from typing import Annotated, Any, Literal, NamedTuple, TypeVar, Union, get_args, get_origin

from airflow.sdk import BaseSensorOperator
from airflow.sdk.definitions.xcom_arg import XComArg
from pydantic import BaseModel, SecretStr, ValidationError

from airflow_provider_spotify.core import registry
from airflow_provider_spotify.core.config.explain import complaints
from airflow_provider_spotify.core.errors import ConfigurationError

M = TypeVar("M", bound=BaseModel)

WORDS = frozenset(
    {
        *("destination", "table", "write", "contract", "quality", "privacy", "pii", "tenant"),
        *("max_rejected", "checkpoint", "incremental", "import_name", "skip_if_empty", "run"),
        "budget",
        *("deferrable", "source_type", "since", "window", "conn_id", "default_conn_id", "plan"),
        *("resume", "source_options", "import_id", "confined"),
        *("flush", "partitions", "step", "part", "reports"),
    }
)
"""The words of an import itself; with Airflow's own they are never the name of an option."""

_CLOSED = (bool, int, float, timedelta, date, datetime, SecretStr, type(None))
_TEMPLATE = re.compile(r"\{\{|\{%|\{#")


class Option(NamedTuple):
    """One key of a source's Config as an argument.

    :param key: the YAML key
    :param argument: the keyword argument; ``<source>_<key>`` where Airflow uses the word itself
    :param templated: whether Jinja renders it: it can hold text, and it is not a secret
    """

    key: str
    argument: str
    annotation: Any
    default: Any
    description: str
    templated: bool

    def parameter(self) -> inspect.Parameter:
        """Return the argument for a signature."""
        return inspect.Parameter(
            self.argument,
            inspect.Parameter.KEYWORD_ONLY,
            default=self.default,
            annotation=self.annotation,
        )


@cache
def options(source_type: str) -> tuple[Option, ...]:
    """Return the options of a source, in the order of its Config.

    The source's module is imported, its libraries are not.

    :raises ConfigurationError: if there is no such source
    """
    fields = registry.source(source_type).Config.model_fields
    named = {field.alias or name: field for name, field in fields.items()}
    return tuple(
        Option(
            key=key,
            argument=f"{source_type}_{key}" if key in _taken() else key,
            annotation=_bare(field.annotation),
            default=(
                inspect.Parameter.empty
                if field.is_required()
                else field.get_default(call_default_factory=True)
            ),
            description=field.description or "",
            templated=_holds_text(_bare(field.annotation)),
        )
        for key, field in named.items()
    )


def connection_argument(source_type: str) -> str | None:
    """Return the argument that takes the connection id, such as ``postgres_conn_id``."""
    conn_type = registry.source(source_type).conn_type
    return None if conn_type is None else f"{conn_type}_conn_id"


def documentation(source_type: str) -> str:
    """Return one ``:param:`` row per argument, for a docstring."""
    rows = [f":param {o.argument}: {o.description}".rstrip() for o in options(source_type)]
    if name := connection_argument(source_type):
        rows.append(f":param {name}: the Airflow connection to read with")
    return "\n".join(rows)


def keyed(source_type: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return arguments under their YAML keys, leaving out what is not an option."""
    names = {option.argument: option.key for option in options(source_type)}
    return {names[name]: value for name, value in arguments.items() if name in names}


def initializer(
    base: type, *, source_type: str, default_conn_id: str | None
) -> Callable[..., None]:
    """Build an ``__init__`` that passes everything to the base and shows what it takes.

    Airflow reads the signature too: default_args and ``expand`` know the options by it.
    """
    inherited: Any = vars(base)["__init__"]

    def initialize(self: Any, **kwargs: Any) -> None:
        inherited(self, **kwargs)

    *own, rest = inspect.signature(inherited).parameters.values()
    extra = [option.parameter() for option in options(source_type)]
    if name := connection_argument(source_type):
        keyword = inspect.Parameter.KEYWORD_ONLY
        connection = inspect.Parameter(
            name, keyword, default=default_conn_id, annotation=str | None
        )
        extra = [connection, *extra]
    myself, *words = own
    required = [p for p in (*words, *extra) if p.default is inspect.Parameter.empty]
    optional = [p for p in (*extra, *words) if p.default is not inspect.Parameter.empty]
    shown = inspect.Signature([myself, *required, *optional, rest])
    initialize.__name__ = "__init__"
    initialize.__signature__ = shown  # type: ignore[attr-defined]
    return initialize


def refuse_unknown(
    names: Iterable[str], *, known: Iterable[str], where: str, offer: Iterable[str] = ()
) -> None:
    """Refuse names that nothing knows.

    :param offer: the names to list where none is near; all that are known by default
    :raises ConfigurationError: naming the first one, with the nearest known name
    """
    known = sorted(known)
    for name in sorted(set(names) - set(known)):
        near = difflib.get_close_matches(name, known, n=1)
        listed = ", ".join(sorted(offer) or known)
        hint = f"did you mean {near[0]!r}?" if near else f"known: {listed}"
        raise ConfigurationError(f"{where}: there is no {name!r}; {hint}")


def validate(model: type[M], values: Mapping[str, Any], *, where: str) -> M | None:
    """Build a model from values; None where some of them are known only at run time.

    A value that holds a Jinja template or another task's output is judged when it is rendered;
    everything else is judged now.

    :raises ConfigurationError: naming the key, what is wrong, and never the value
    """
    known = [field.alias or name for name, field in model.model_fields.items()]
    refuse_unknown(values, known=known, where=where)
    late = {name for name, value in values.items() if is_late(value)}
    try:
        built = model.model_validate(dict(values))
    except ValidationError as error:
        for found in complaints(error, model=model, data=values):
            if not late or (found.path and found.path[0] not in late):
                path = ".".join(str(step) for step in found.path)
                raise ConfigurationError(
                    ": ".join(filter(None, [where, path, found.message]))
                ) from None
        return None
    return None if late else built


def is_late(value: Any) -> bool:
    """Say whether a value is known only when the task runs."""
    if isinstance(value, str):
        return bool(_TEMPLATE.search(value))
    if isinstance(value, XComArg):
        return True
    if isinstance(value, Mapping):
        return any(is_late(item) for pair in value.items() for item in pair)
    return isinstance(value, list | tuple | set) and any(is_late(item) for item in value)


def plain(value: Any) -> Any:
    """Return a value as the YAML would hold it, so that it serializes the same every time."""
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json", exclude_unset=True, by_alias=True)
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, list | tuple) else value


def _holds_text(annotation: Any) -> bool:
    """Say whether a type has room for free text; numbers, flags, choices and secrets have none."""
    if annotation in _CLOSED or get_origin(annotation) is Literal:
        return False
    inner = [part for part in get_args(annotation) if part is not Ellipsis]
    return not inner or any(_holds_text(part) for part in inner)


def _bare(annotation: Any) -> Any:
    """Return a type without pydantic's constraints, as a person would write it."""
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _bare(inner[0])
    if origin in (Union, UnionType):
        return functools.reduce(operator.or_, map(_bare, inner))
    if origin in (None, Literal) or Ellipsis in inner:
        return annotation
    return origin[tuple(map(_bare, inner))]


@cache
def _taken() -> frozenset[str]:
    """Return the names that Airflow's operators and sensors use for themselves."""
    airflow = {*dir(BaseSensorOperator)}
    for kind in (k for k in BaseSensorOperator.mro()[:-1] if "__init__" in vars(k)):
        airflow |= set(inspect.signature(vars(kind)["__init__"]).parameters)
    return frozenset(airflow) | WORDS
