"""ClickHouse's types: reading how they are spelled, and what of them Arrow gets.

Arrow has no place for some of them, or the server writes their bytes instead of their values
(https://clickhouse.com/docs/interfaces/formats/Arrow). Those are cast by the server:

=========================================  =================================================
ClickHouse                                 becomes
=========================================  =================================================
Int8 … UInt64, Float32/64, Bool, Date(32)  the same
Int128 … UInt256                           text
BFloat16                                   Float32
Decimal(p, s)                              decimal
DateTime, DateTime64(p, zone)              timestamp of the column's zone (else the server's)
Time, Time64(p)                            time; a value outside of one day is rejected
String, FixedString(n)                     text; rows that are not UTF-8 are rejected
UUID, IPv4, IPv6, Enum                     text
LowCardinality(T), SimpleAggregateFunction  as T
Array, Tuple, Map, Nested, geometries      list, struct, map
JSON, Dynamic, Variant, Object, Geometry   JSON text, also when they are inside of another type
Interval                                   the number of its units (it exists in queries only)
AggregateFunction                          an error: finalizeAggregation(…) in a query gives a value
=========================================  =================================================
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from airflow_provider_spotify.core.clients.clickhouse import identifier
from airflow_provider_spotify.core.errors import ConfigurationError

_AS_IS = re.compile(
    r"U?Int(8|16|32|64)|Float(32|64)|Bool|Date(32)?|Nothing|Decimal\w*|DateTime64|Time|Time64|String"
    r"|Interval\w+|Point|Ring|LineString|MultiLineString|Polygon|MultiPolygon"
)
_CAST = {
    "Int128": "String",
    "UInt128": "String",
    "Int256": "String",
    "UInt256": "String",
    "BFloat16": "Float32",
    "FixedString": "String",
    "UUID": "String",
    "IPv4": "String",
    "IPv6": "String",
    "Enum8": "String",
    "Enum16": "String",
}
_JSON = frozenset({"JSON", "Object", "Dynamic", "Variant", "Geometry"})
_NAMED = re.compile(r"(`(?:[^`\\]|\\.)*`|[A-Za-z_]\w*)\s+(\S.*)", re.DOTALL)


class Spelled(NamedTuple):
    """A type taken apart: ``Tuple(a Int8)`` has one argument, ``a Int8``."""

    name: str
    arguments: Sequence[str]


class Selected(NamedTuple):
    """A column as it is read.

    :param sql: the expression that gives it to Arrow
    :param kind: how its answer is converted: ``json``, ``time``, ``bytes`` or ``plain``
    """

    name: str
    type: str
    sql: str
    kind: str = "plain"


def spelled(type_: str) -> Spelled:
    """Take a type apart; texts and quoted names in it are left alone."""
    name, bracket, rest = type_.strip().partition("(")
    return Spelled(name, _arguments(rest[:-1]) if bracket else ())


def _arguments(text: str) -> list[str]:
    parts, depth, start = [], 0, 0
    for token in re.finditer(r"'(?:[^'\\]|\\.)*'|`(?:[^`\\]|\\.)*`|[(),]", text):
        if token[0] == "(":
            depth += 1
        elif token[0] == ")":
            depth -= 1
        elif token[0] == "," and not depth:
            parts.append(text[start : token.start()].strip())
            start = token.end()
    return [*parts, text[start:].strip()] if text.strip() else []


def bare(type_: str) -> Spelled:
    """Take a type apart without what only says how it is stored, or that it may be null."""
    found = spelled(type_)
    while found.name in ("Nullable", "LowCardinality", "SimpleAggregateFunction"):
        found = spelled(found.arguments[-1])
    return found


def selected(name: str, type_: str, *, as_bytes: bool = False) -> Selected:
    """Return how to read a column.

    :raises ConfigurationError: if its values mean nothing outside of ClickHouse
    """
    column, outer = identifier(name), bare(type_).name
    if as_bytes:
        if outer not in ("String", "FixedString"):
            raise ConfigurationError(f"column {name} is {type_}; binary: is for String columns")
        return Selected(name, type_, column, "bytes")
    if _holds_json(type_):
        return Selected(name, type_, f"toJSONString({column})", "json")
    if outer in ("Time", "Time64"):
        return Selected(name, type_, _ticks(column, type_), "time")
    target = _target(type_, column=name)
    sql = column if target == type_ else f"CAST({column}, {_quoted(target)})"
    return Selected(name, type_, sql)


def time_unit(type_: str) -> str:
    """Return the unit of Arrow in which a Time or a Time64(p) is exact."""
    arguments = bare(type_).arguments
    return ("s", "ms", "us", "ns")[-(-int(arguments[0]) // 3) if arguments else 0]


def _ticks(column: str, type_: str) -> str:
    """Return SQL for a time in its unit: Arrow's times end at midnight, ClickHouse's do not."""
    if bare(type_).name == "Time":
        return f"toInt64({column})"
    unit = 1000 ** ("s", "ms", "us", "ns").index(time_unit(type_))
    decimal = f"Decimal(38, {bare(type_).arguments[0]})"
    target = f"Nullable({decimal})" if "Nullable(" in type_ else decimal
    return f"toInt64(CAST({column}, {_quoted(target)}) * {unit})"


def _quoted(type_: str) -> str:
    escaped = type_.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def _holds_json(type_: str) -> bool:
    found = spelled(type_)
    if found.name in _JSON:
        return True
    return any(_holds_json(_of(argument)[1]) for argument in _typed(found))


def _typed(found: Spelled) -> Sequence[str]:
    """Return the arguments that are types, with their names if they have any."""
    containers = ("Nullable", "LowCardinality", "Array", "Map", "Tuple", "Nested")
    return found.arguments if found.name in containers else ()


def _of(argument: str) -> tuple[str, str]:
    """Split ``a Int8`` into its name, with a space, and its type."""
    found = _NAMED.fullmatch(argument)
    return (f"{found[1]} ", found[2]) if found else ("", argument)


def _target(type_: str, *, column: str) -> str:
    found = spelled(type_)
    name, arguments = found.name, found.arguments
    if name in ("LowCardinality", "SimpleAggregateFunction"):
        return _target(arguments[-1], column=column)
    if name == "DateTime":
        return f"DateTime64(0{', ' + arguments[0] if arguments else ''})"
    if name in _CAST:
        return _CAST[name]
    if name == "QBit":
        return f"Array({_target(arguments[0], column=column)})"
    if inner := _typed(found):
        parts = [(named, _target(of, column=column)) for named, of in map(_of, inner)]
        listed = ", ".join(named + of for named, of in parts)
        return f"Array(Tuple({listed}))" if name == "Nested" else f"{name}({listed})"
    if _AS_IS.fullmatch(name):
        return type_
    hint = "finalizeAggregation(…) in query: gives its value" if "Aggregate" in name else ""
    raise ConfigurationError(
        f"column {column} is {type_}, which has no meaning outside of ClickHouse; "
        f"{hint or 'cast it in query:'}, or leave it out with columns:"
    )
