"""The order that MongoDB sorts by, across types, as conditions: after a value, up to a value.

A comparison such as ``$gt`` finds values of the same type only, while a sort goes through all types
in turn (https://www.mongodb.com/docs/manual/reference/bson-type-comparison-order/). So what comes
after a value is what is greater than it, and everything of a type that is sorted behind its own.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import bson
from bson import json_util
from bson.codec_options import DatetimeConversion

from airflow_provider_spotify.core.clients import mongo_bson as b
from airflow_provider_spotify.core.errors import ConfigurationError, DataError
from airflow_provider_spotify.core.model import Window

Condition = Mapping[str, Any]
_ORDER: Sequence[frozenset[int]] = (
    frozenset({b.MIN_KEY}),
    frozenset({b.UNDEFINED, b.NULL}),
    frozenset({b.DOUBLE, b.INT32, b.INT64, b.DECIMAL}),
    frozenset({b.STRING, b.SYMBOL}),
    frozenset({b.DOCUMENT}),
    frozenset({b.ARRAY}),
    frozenset({b.BINARY}),
    frozenset({b.OBJECT_ID}),
    frozenset({b.BOOL}),
    frozenset({b.DATE}),
    frozenset({b.TIMESTAMP}),
    frozenset({b.REGEX}),
    frozenset({b.POINTER}),
    frozenset({b.CODE}),
    frozenset({b.SCOPED}),
    frozenset({b.MAX_KEY}),
)
_NO_KEYS = frozenset({b.ARRAY, b.REGEX, b.POINTER, b.CODE, b.SCOPED})
"""What ``$gt`` compares by its own rules, or not at all."""
_NULL, _NUMBER = 1, 2
_JSON = json_util.JSONOptions(
    json_mode=json_util.JSONMode.CANONICAL,
    tz_aware=True,
    document_class=dict,
    datetime_conversion=DatetimeConversion.DATETIME_AUTO,
)


class Order:
    """Conditions on one field.

    :param lacking: types that the server does not know: it refuses to look for them
    """

    def __init__(self, field: str, *, lacking: frozenset[int] = frozenset()) -> None:
        self.field = field
        self._lacking = lacking

    def after(self, value: Any) -> Condition:
        """Find what is sorted behind a value; None is null, or no field at all."""
        nearer = _greater(value)
        same = [] if nearer is None else [{self.field: nearer}]
        return _any(*same, *self._typed(_ORDER[rank_of(value) + 1 :]))

    def since(self, value: Any) -> Condition:
        """Find a value and what is sorted behind it."""
        behind = self._typed(_ORDER[rank_of(value) + 1 :])
        return _any({self.field: {"$gte": value}}, *behind)

    def upto(self, value: Any) -> Condition:
        """Find a value and what is sorted before it, documents without the field too."""
        rank = rank_of(value)
        alone = _is_nan(value) or _edge(value)
        found: list[Condition] = [{self.field: None}] if rank >= _NULL else []
        if value is not None:
            found.append({self.field: {"$eq" if alone else "$lte": value}})
        if rank == _NUMBER and not alone and not self._lacking & {b.DECIMAL}:
            found.append({self.field: {"$eq": math.nan}})  # no comparison finds it
        return _any(*found, *self._typed(_ORDER[:rank]))

    def within(self, window: Window, example: Any) -> Condition:
        """Find what lies in a window.

        :param example: a value of the field; says whether it holds dates or ObjectIds
        :raises ConfigurationError: if it holds something else
        """
        if isinstance(example, bson.ObjectId):
            first, end = (_object_id(_up(t, 1_000_000)) for t in (window.start, window.end))
            return {self.field: {"$gte": first, "$lt": end}}
        if isinstance(example, datetime | bson.DatetimeMS):
            low, high = (_up(t, 1_000) for t in (window.start, window.end))
            return {self.field: {"$gte": low, "$lt": high}}
        raise ConfigurationError(
            f"a window needs a cursor field of dates or ObjectIds; {self.field} holds"
            f" {type(example).__name__}"
        )

    def _typed(self, ranks: Sequence[frozenset[int]]) -> list[Condition]:
        codes = signed(frozenset().union(*ranks) - self._lacking)
        return [{self.field: {"$type": codes}}] if codes else []


def signed(types: Iterable[int]) -> list[int]:
    """Return types as ``$type`` numbers them: MinKey is -1, and comes last."""
    return [-1 if each == b.MIN_KEY else each for each in sorted(types)]


def _any(*conditions: Condition) -> Condition:
    """Find what any condition finds; without one, nothing."""
    return {"$or": list(conditions)} if conditions else {"_id": {"$in": []}}


def rank_of(value: Any) -> int:
    """Return where the type of a value stands in the order.

    :raises DataError: if such a value orders nothing
    """
    code = bson.encode({"v": value})[4]
    if code in _NO_KEYS:
        raise DataError(
            f"a cursor field holds {type(value).__name__} values, which cannot be gone on from;"
            " choose another field, or leave these out by filter:"
        )
    return next(rank for rank, codes in enumerate(_ORDER) if code in codes)


def back(value: Any, lookback: int | timedelta) -> Any:
    """Go back from a value.

    :raises ConfigurationError: if that much cannot be taken from it
    """
    if not lookback:
        return value
    if isinstance(lookback, timedelta):
        if isinstance(value, datetime):
            return value - lookback
        if isinstance(value, bson.ObjectId):
            return _object_id(value.generation_time - lookback)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        return value - lookback
    kind = type(value).__name__
    raise ConfigurationError(
        f"lookback must be a duration for dates and ObjectIds, a number for numbers, and none for"
        f" others; the cursor's value is of type {kind}"
    )


def saved(value: Any) -> Any:
    """Write a value as JSON that keeps its type."""
    return json.loads(json_util.dumps(value, json_options=_JSON))


def restored(value: Any) -> Any:
    """Read what ``saved`` wrote, or any Extended JSON."""
    return json_util.loads(json.dumps(value), json_options=_JSON)


def _greater(value: Any) -> Condition | None:
    """Compare within the type; None where a type has one value only."""
    if value is None or _edge(value):
        return None
    if _is_nan(value):
        return {"$type": "number", "$ne": math.nan}  # NaN stands before all numbers
    return {"$gt": value}


def _edge(value: Any) -> bool:
    return isinstance(value, bson.MinKey | bson.MaxKey)


def _is_nan(value: Any) -> bool:
    if isinstance(value, bson.Decimal128):
        return bool(value.to_decimal().is_nan())
    return isinstance(value, float) and math.isnan(value)


def _object_id(moment: datetime) -> bson.ObjectId:
    """Return the first ObjectId of a second."""
    return bson.ObjectId.from_datetime(moment)


def _up(moment: datetime, step: int) -> datetime:
    """Round up to whole steps of microseconds: the values that are compared have no more."""
    over = moment.microsecond % step
    return moment if not over else moment + timedelta(microseconds=step - over)
