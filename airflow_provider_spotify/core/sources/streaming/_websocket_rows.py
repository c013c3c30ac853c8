"""Turns what a WebSocket sent into batches, and finds positions in them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import orjson
import pyarrow as pa
import pyarrow.compute as pc

from airflow_provider_spotify.core.clients.json_arrow import JsonArrow, pick
from airflow_provider_spotify.core.clients.payloads import Decoded, Payloads, text_of
from airflow_provider_spotify.core.clients.websocket_receiver import Received
from airflow_provider_spotify.core.rejects import rejects

Position = int | float | str
RECEIVED_AT = "_received_at"


class Rows(NamedTuple):
    """Rows, what was rejected, and the position of the last row; ``last`` None: it has none."""

    batch: pa.RecordBatch
    rejected: pa.RecordBatch | None
    last: Position | None


class Decoder:
    """Decodes messages of one format.

    :param place: the address, as the location of what is rejected
    :param record_path: where the records of a message are; a message without it has none
    :param ignore: messages whose field has one of these values are no records
    :param position: the field that counts up from record to record
    """

    def __init__(
        self,
        format: str,
        *,
        place: str,
        record_path: str | None,
        ignore: Mapping[str, Sequence[Any]],
        position: str | None,
        stamped: bool,
    ) -> None:
        self._format = format
        self._place = place
        self._ignore = ignore
        self._position = position
        self._stamped = stamped
        self._payloads = Payloads("raw" if format == "raw" else "json")
        self._pick = pick(record_path) if record_path else None
        self._json = JsonArrow()

    def rows(self, messages: Sequence[Received], *, number: int, after: Position | None) -> Rows:
        """Decode messages.

        :param number: how many were received before these
        :param after: leave out records up to this position
        """
        payloads = [_bytes(each.payload) for each in messages]

        def where(position: int) -> str:
            return f"{self._place} message {number + position + 1}"

        if self._format == "text":
            texts = [text_of(payload) for payload in payloads]
            batch = pa.RecordBatch.from_arrays([pa.array(texts, pa.string())], names=["value"])
            decoded = Decoded(batch, range(len(texts)), None)
        elif self._pick is not None or self._ignore:
            decoded = self._picked(payloads, where)
        else:
            decoded = self._payloads.decode(payloads, where=where)
        batch = decoded.batch
        if self._stamped:
            at = pa.array([messages[i].at for i in decoded.kept], pa.float64())
            micros = pc.cast(pc.multiply(at, 1e6), pa.int64(), safe=False)
            times = micros.cast(pa.timestamp("us", "UTC"))
            batch = pa.RecordBatch.from_arrays(
                [*batch.columns, times], names=[*batch.schema.names, RECEIVED_AT]
            )
        batch = self._behind(batch, after)
        return Rows(batch, decoded.rejected, self._last(batch))

    def _picked(self, payloads: Sequence[bytes], where: Any) -> Decoded:
        """Look at every message by itself: for records inside it, or to leave it out."""
        records: list[Any] = []
        kept: list[int] = []
        bad: list[tuple[int, str]] = []
        for position, payload in enumerate(payloads):
            try:
                body = orjson.loads(payload)
            except orjson.JSONDecodeError as error:
                bad.append((position, f"not JSON: {error}"))
                continue
            if isinstance(body, dict) and self._ignored(body):
                continue
            found = self._pick(body) if self._pick else _items(body)
            objects = [each for each in found if isinstance(each, dict)]
            records += objects
            kept += [position] * len(objects)
        texts = [text_of(payloads[position]) for position, _ in bad]
        rejected = (
            rejects(
                texts,
                stage="source",
                reason=[reason for _, reason in bad],
                location=[where(position) for position, _ in bad],
            )
            if bad
            else None
        )
        return Decoded(self._json.batch(records), kept, rejected)

    def _ignored(self, body: Mapping[str, Any]) -> bool:
        return any(body.get(field) in values for field, values in self._ignore.items())

    def _behind(self, batch: pa.RecordBatch, after: Position | None) -> pa.RecordBatch:
        """Leave out what was read before: smaller numbers, or all up to the same text."""
        if after is None or self._position not in batch.schema.names or not batch.num_rows:
            return batch
        column = batch.column(self._position)
        if isinstance(after, str):
            same = pc.equal(column.cast(pa.string()), after)
            last = pc.index(pc.fill_null(same, False)[::-1], True).as_py()
            return batch if last < 0 else batch.slice(batch.num_rows - last)
        if not pa.types.is_integer(column.type) and not pa.types.is_floating(column.type):
            return batch
        return batch.filter(pc.fill_null(pc.greater(column, after), True))

    def _last(self, batch: pa.RecordBatch) -> Position | None:
        if self._position not in batch.schema.names:
            return None
        values = batch.column(self._position).drop_null()
        last = values[-1].as_py() if len(values) else None
        return last if isinstance(last, int | float | str) else None

    def last_of(self, batch: pa.RecordBatch) -> Position | None:
        """Return the position of the last row."""
        return self._last(batch)


def _items(body: Any) -> list[Any]:
    return body if isinstance(body, list) else [body]


def _bytes(payload: str | bytes) -> bytes:
    return payload.encode() if isinstance(payload, str) else payload


def gap(place: str, *, seconds: float, reason: str, session: str, received: int) -> pa.RecordBatch:
    """Return the record which says that messages may be missing here."""
    record = json.dumps({"session": session, "received": received, "reason": reason})
    said = f"gap: reconnected after {seconds:.1f} s"
    return rejects([record], stage="source", reason=[said], location=[place])
