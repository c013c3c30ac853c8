"""What the data must be: the YAML words of contract, quality and privacy."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer, model_validator

from airflow_provider_spotify.core.model import Frozen

_UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


_DurationText = Annotated[str, Field(pattern=r"^\d+(\.\d+)?\s*(ms|s|m|h|d|w)$", examples=["15m"])]


def _duration(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d|w)", value.strip())
    if not match:
        raise ValueError(f"{value!r} is not a duration; write a number and ms, s, m, h, d or w")
    return timedelta(seconds=float(match[1]) * _UNITS[match[2]])


def duration_text(value: timedelta) -> str:
    """Write a duration as YAML does: ``30s``, ``15m``, ``500ms``."""
    seconds = value.total_seconds()
    for unit in ("w", "d", "h", "m", "s"):
        if seconds and seconds % _UNITS[unit] == 0:
            return f"{int(seconds // _UNITS[unit])}{unit}"
    return f"{round(seconds * 1000)}ms"


Duration = Annotated[
    timedelta,
    BeforeValidator(_duration, json_schema_input_type=_DurationText),
    PlainSerializer(duration_text, return_type=str),
]
"""A span of time, written ``30s``, ``15m``, ``2h`` or ``7d``."""

Severity = Literal["warn", "error"]

TypeName = Annotated[
    str,
    Field(
        pattern=r"^(string|integer|bigint|double|boolean|date|timestamp|time|binary|json"
        r"|decimal\(\d{1,2},\s*\d{1,2}\))$",
        examples=["string", "bigint", "decimal(18,2)"],
    ),
]

# ── privacy ──────────────────────────────────────────────────────────────────────────────────

PiiAction = Literal[
    "hash", "encrypt", "decrypt", "tokenize", "redact", "truncate", "generalize", "drop", "keep"
]
KEYED_ACTIONS = frozenset({"hash", "encrypt", "decrypt", "tokenize"})


class PiiRule(Frozen):
    """How one personal column is protected. ``hash`` alone stands for ``{action: hash}``."""

    action: PiiAction
    length: int | None = Field(None, ge=1, description="truncate: how many characters stay")
    to: Literal["year", "month", "day", "/24", "/16", "/48", "/64"] | None = Field(
        None, description="generalize: dates to a period, addresses to a network"
    )

    @model_validator(mode="after")
    def _complete(self) -> PiiRule:
        if self.action == "truncate" and self.length is None:
            raise ValueError("truncate needs a length: {action: truncate, length: 3}")
        if self.action == "generalize" and self.to is None:
            raise ValueError("generalize needs a target: {action: generalize, to: month}")
        return self


def _rule(value: Any) -> Any:
    return {"action": value} if isinstance(value, str) else value


class PiiPlan(Frozen):
    """What happens when a sample shows personal data in a column that does not declare it."""

    undeclared: Literal["ignore", "warn", "fail"] = "warn"


class PrivacyPlan(Frozen):
    """A tenant's privacy: the connection that holds its key, and the column that names a person."""

    key: str | None = Field(None, description="connection whose password is the tenant's key")
    subject: str | None = Field(None, description="column that names the person a row is about")


# ── contract ─────────────────────────────────────────────────────────────────────────────────


class ColumnPlan(Frozen):
    """What is agreed on one column, by its snake_case name in the table."""

    type: TypeName | None = None
    required: bool = False
    pii: (
        Annotated[PiiRule, BeforeValidator(_rule, json_schema_input_type=PiiAction | PiiRule)]
        | None
    ) = None
    source_name: str | None = Field(None, description="the column's name in the source, if other")
    format: str | None = Field(None, description="strptime format of dates that arrive as text")
    description: str | None = None


class ContractPlan(Frozen):
    """The agreed shape. ``evolve`` follows the data; the others hold what is known against it."""

    mode: Literal["evolve", "freeze", "discard_row", "discard_value"] = "evolve"
    columns: Mapping[str, ColumnPlan] = Field(default_factory=dict)
    select: Sequence[str] | None = Field(None, description="keep only these columns")
    exclude: Sequence[str] = ()


# ── quality ──────────────────────────────────────────────────────────────────────────────────


class _Check(Frozen):
    table_level: ClassVar[bool] = False
    """It judges the load as a whole, so the load must stay invisible until it has."""
    severity: Severity = "error"


class _ColumnsCheck(_Check):
    columns: Annotated[Sequence[str], Field(min_length=1)]


class NotNull(_ColumnsCheck):
    """No value of these columns is missing; a row that breaks it is rejected."""

    check: Literal["not_null"]


class Unique(_ColumnsCheck):
    """No two rows of the table share these columns; judged before publishing."""

    table_level: ClassVar[bool] = True
    check: Literal["unique"]


class InSet(_Check):
    """Every value is one of ``values``."""

    check: Literal["in_set"]
    column: str
    values: Annotated[Sequence[str | int | float | bool], Field(min_length=1)]


class Range(_Check):
    """Every value lies between ``min`` and ``max``, both included."""

    check: Literal["range"]
    column: str
    min: float | str | None = None
    max: float | str | None = None

    @model_validator(mode="after")
    def _bounded(self) -> Range:
        if self.min is None and self.max is None:
            raise ValueError("range needs min, max or both")
        return self


class Length(_Check):
    """Every text has between ``min`` and ``max`` characters."""

    check: Literal["length"]
    column: str
    min: int = 0
    max: int | None = None


def _compiles(pattern: str) -> str:
    try:
        re.compile(pattern)
    except re.error as error:
        raise ValueError(f"not a regular expression: {error}") from error
    return pattern


class Matches(_Check):
    """Every text matches a regular expression (RE2 syntax) somewhere."""

    check: Literal["regex"]
    column: str
    pattern: Annotated[str, AfterValidator(_compiles)]


class RowCount(_Check):
    """The load has between ``min`` and ``max`` rows."""

    table_level: ClassVar[bool] = True
    check: Literal["row_count"]
    min: int = 0
    max: int | None = None


class Freshness(_Check):
    """The newest value of a time column is no older than ``within``."""

    table_level: ClassVar[bool] = True
    check: Literal["freshness"]
    column: str
    within: Duration


class Expression(_Check):
    """A SQL condition (DuckDB's dialect) that every row of the load must meet."""

    check: Literal["expression"]
    sql: str


class Anomaly(_Check):
    """The row count is within ``deviations`` of what the ledger remembers."""

    table_level: ClassVar[bool] = True
    check: Literal["row_count_anomaly"]
    deviations: float = Field(3.0, gt=0)
    history: int = Field(20, ge=3, description="how many earlier loads are compared")
    severity: Severity = "warn"


Check = Annotated[
    NotNull
    | Unique
    | InSet
    | Range
    | Length
    | Matches
    | RowCount
    | Freshness
    | Expression
    | Anomaly,
    Field(discriminator="check"),
]
