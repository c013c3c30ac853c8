"""Turns batches of BSON documents into Arrow batches; each knows the types of those before it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import bson
import numpy as np
import pyarrow as pa
from bson import json_util
from bson.errors import BSONError

from airflow_provider_spotify.core.clients import mongo_bson as b
from airflow_provider_spotify.core.clients.mongo_bson import Buffer, Numbers, Values
from airflow_provider_spotify.core.clients.mongo_columns import (
    CODEC,
    NONE,
    Column,
    field_name,
    value_at,
)
from airflow_provider_spotify.core.errors import DataError
from airflow_provider_spotify.core.rejects import rejects

_MOST = 2_000
_LENIENT = CODEC.with_options(unicode_decode_error_handler="backslashreplace")


class Converted(NamedTuple):
    """The rows of a batch, and its documents that are none; ``kept`` are the rows' positions."""

    batch: pa.RecordBatch
    rejected: pa.RecordBatch | None
    kept: Sequence[int]


class Found(NamedTuple):
    """Documents of a batch, their fields found."""

    buffer: Buffer
    starts: Numbers
    fields: dict[bytes, Values]

    def document(self, row: int) -> bytes:
        """Return one document."""
        start = int(self.starts[row])
        return self.buffer.data[start : start + int(self.buffer.int32[start])]

    def before(self, row: int) -> Found:
        """Return the documents before one."""
        fields = {name: values.before(row) for name, values in self.fields.items()}
        return Found(self.buffer, self.starts[:row], fields)


def find(parts: list[bytes]) -> Found:
    """Find the fields of documents."""
    buffer = Buffer(parts)
    starts = buffer.starts()
    return Found(buffer, starts, b.fields(buffer, starts))


class Documents:
    """Converts documents to rows.

    :param place: database and collection, for messages
    :param dropped: a field that was read for the cursor alone
    """

    def __init__(self, place: str, *, dropped: str | None = None) -> None:
        self._place = place
        self._dropped = None if dropped is None else dropped.encode()
        self._columns: dict[bytes, Column] = {}

    def converted(self, found: Found) -> Converted:
        """Build the rows; documents with a text that is not UTF-8 are rejected.

        :raises DataError: if the collection has more fields than a table should have columns
        """
        rows = range(len(found.starts))
        try:
            return Converted(self._batch(found), None, rows)
        except (pa.ArrowInvalid, BSONError) as error:
            bad = {row: fault for row in rows if (fault := _fault(found.document(row)))}
            if not bad:
                raise DataError(f"{self._place}: a document cannot be read: {error}") from None
        kept = [row for row in rows if row not in bad]
        good = find([found.document(row) for row in kept])
        records = [_record(found.document(row)) for row in bad]
        rejected = rejects(
            records,
            stage="source",
            reason=list(bad.values()),
            location=[self._place] * len(bad),
        )
        return Converted(self._batch(good), rejected, kept)

    def _batch(self, found: Found) -> pa.RecordBatch:
        for name in found.fields:
            if name != self._dropped:
                self._columns.setdefault(name, Column())
        if len(self._columns) > _MOST:
            raise DataError(
                f"{self._place}: its documents have more than {_MOST} different fields; name those"
                " to read in projection:"
            )
        length = len(found.starts)
        arrays = [
            column.array(found.buffer, found.fields.get(name, NONE), length)
            for name, column in self._columns.items()
        ]
        if not arrays:
            return pa.RecordBatch.from_struct_array(pa.array([{}] * length, pa.struct([])))
        return pa.RecordBatch.from_arrays(arrays, names=[field_name(n) for n in self._columns])


class Keys:
    """The values of the field that documents are read in the order of.

    :param path: the field's name, its parts joined by dots
    :raises DataError: if it is an array in some document
    """

    def __init__(self, found: Found, path: str, *, place: str) -> None:
        self._buffer = found.buffer
        first, *rest = path.encode().split(b".")
        values = found.fields.get(first, NONE)
        for part in rest:
            self._refuse_arrays(values, path, place)
            inside = values.only(b.DOCUMENT)
            inner = b.fields(found.buffer, inside.at).get(part, NONE) if len(inside.at) else NONE
            values = inner._replace(rows=inside.rows[inner.rows])
        self._refuse_arrays(values, path, place)
        self._values, self._length = values, len(found.starts)

    def __getitem__(self, row: int) -> Any:
        position = int(np.searchsorted(self._values.rows, row))
        if position == len(self._values.rows) or self._values.rows[position] != row:
            return None
        kind, at = int(self._values.types[position]), int(self._values.at[position])
        return value_at(self._buffer, kind, at)

    def last_change(self) -> int:
        """Return the first row of those that share the last one's value."""
        row = self._length - 1
        last = comparable(self[row])
        while row and comparable(self[row - 1]) == last:
            row -= 1
        return row

    @staticmethod
    def _refuse_arrays(values: Values, path: str, place: str) -> None:
        if (values.types == b.ARRAY).any():
            raise DataError(
                f"{place}: the cursor field {path} is an array in some documents, which have no one"
                " place in its order; choose another field"
            )


def comparable(value: Any) -> Any:
    """Return what is equal for all values that MongoDB holds to be equal."""
    if isinstance(value, bson.Decimal128):
        value = value.to_decimal()
    return "NaN" if value != value else value


def _fault(document: bytes) -> str | None:
    try:
        bson.decode(document, CODEC)
    except BSONError as error:
        return f"not valid BSON: {error}"
    return None


def _record(document: bytes) -> str:
    decoded = bson.decode(document, _LENIENT)
    return json_util.dumps(decoded, json_options=json_util.RELAXED_JSON_OPTIONS)
