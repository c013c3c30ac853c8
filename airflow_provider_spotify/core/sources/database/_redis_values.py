"""Reads the values of Redis keys that are one row each: strings, JSON, hashes, or the key alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from airflow_provider_spotify.core.clients.payloads import Payloads, text_of
from airflow_provider_spotify.core.clients.redis import Link
from airflow_provider_spotify.core.clients.redis_fields import columns
from airflow_provider_spotify.core.sources.database._redis_rows import (
    OWN,
    Bad,
    Made,
    is_text,
    written,
)

if TYPE_CHECKING:
    from airflow_provider_spotify.core.sources.database.redis import RedisConfig

FIELDS = 10_000
"""A hash with more fields than this is no row."""
PAGE = 500


class Strings:
    """Strings as text, bytes or JSON; and JSON documents of Redis' JSON type.

    :param apart: ask for each key by itself, as a cluster wants it; MGET is a third faster
    """

    def __init__(self, link: Link, config: RedisConfig, *, apart: bool = False) -> None:
        self._link = link
        self._apart = apart
        self._format = "json" if config.data_type == "json" else config.format
        self._documents = config.data_type == "json"
        self._payloads = Payloads("json") if self._format == "json" else None

    def read(self, keys: Sequence[bytes]) -> Made:
        """Read the values of some keys; one that vanished is left out."""
        if self._documents or self._apart:
            command = "JSON.GET" if self._documents else "GET"
            (values,) = self._link.each(keys, ((command,), ()))
        else:
            values = self._link.do("MGET", *keys)
        at: Sequence[int] = range(len(keys))
        bad: list[Bad] = []
        if set(map(type, values)) != {bytes}:
            pairs = zip(keys, values, strict=True)
            bad = [_changed(key, value) for key, value in pairs if isinstance(value, Exception)]
            at = [n for n, value in enumerate(values) if isinstance(value, bytes)]
        there = values if len(at) == len(keys) else [values[n] for n in at]
        size = sum(map(len, there))
        if self._payloads is not None:
            return self._parsed(keys, there, at, bad, size)
        if self._format == "raw":
            return Made(["value"], [pa.array(there, pa.binary())], at, bad, [], size)
        try:
            return Made(["value"], [pa.array(there, pa.string())], at, bad, [], size)
        except pa.ArrowInvalid:
            return self._sorted_out(keys, values, at, bad, size)

    def _sorted_out(
        self,
        keys: Sequence[bytes],
        values: Sequence[bytes],
        at: Sequence[int],
        bad: list[Bad],
        size: int,
    ) -> Made:
        """Set aside the values that are no text."""
        said = "not UTF-8; format: raw gives bytes"
        others = [n for n in at if not is_text(values[n])]
        bad += [Bad(keys[n], said, written(keys[n], value=values[n])) for n in others]
        good = [n for n in at if is_text(values[n])]
        array = pa.array([values[n] for n in good], pa.string())
        return Made(["value"], [array], good, bad, [], size)

    def _parsed(
        self,
        keys: Sequence[bytes],
        values: Sequence[bytes],
        at: Sequence[int],
        bad: list[Bad],
        size: int,
    ) -> Made:
        assert self._payloads is not None
        found = self._payloads.decode(values, where=lambda position: text_of(keys[at[position]]))
        if found.rejected is not None:
            reasons, records, places = (
                found.rejected.column(n).to_pylist() for n in ("reason", "record", "location")
            )
            bad += map(Bad, [place.encode() for place in places], reasons, records)
        kept = at if len(found.kept) == len(at) else [at[position] for position in found.kept]
        names = [f"{name}_" if name in OWN else name for name in found.batch.schema.names]
        return Made(names, found.batch.columns, kept, bad, [], size)


class Hashes:
    """Hashes, a column for each field."""

    def __init__(self, link: Link, config: RedisConfig) -> None:
        self._link = link

    def read(self, keys: Sequence[bytes]) -> Made:
        """Read all fields; a small hash comes whole with the first HSCAN, whatever its COUNT."""
        (replies,) = self._link.each(keys, (("HSCAN",), ("0", "COUNT", PAGE)))
        at, fields, bad = [], [], list[Bad]()
        for n, (key, reply) in enumerate(zip(keys, replies, strict=True)):
            if isinstance(reply, Exception):
                bad.append(_changed(key, reply))
                continue
            found = reply[1] if reply[0] == b"0" else self._whole(key, reply)
            if len(found) > 2 * FIELDS:
                said = f"more than {FIELDS} fields are no columns; layout: rows reads them"
                bad.append(Bad(key, said, written(key)))
            elif found:  # a hash without fields is not there any more
                at.append(n)
                fields.append(found)
        if not fields:
            return Made([], [], [], bad, [], 0)
        made = columns(fields, taken=OWN)
        bad += [Bad(keys[at[n]], reason, record) for n, reason, record in made.bad]
        size = sum(len(text) for each in fields for text in each)
        kept = at if made.kept is None else [at[n] for n in made.kept]
        return Made(made.names, made.arrays, kept, bad, [], size)

    def _whole(self, key: bytes, reply: Sequence[Any]) -> Sequence[bytes]:
        """Read on until the end, or until there are too many fields."""
        cursor, first = reply
        found = dict(zip(first[::2], first[1::2], strict=True))
        while cursor != b"0" and len(found) <= FIELDS:
            cursor, more = self._link.do("HSCAN", key, cursor, "COUNT", FIELDS)
            found.update(zip(more[::2], more[1::2], strict=True))
        return [text for pair in found.items() for text in pair]


class Names:
    """The keys alone."""

    def __init__(self, link: Link, config: RedisConfig) -> None:
        self._link = link

    def read(self, keys: Sequence[bytes]) -> Made:
        """Ask for the type of each key; ``_type`` is of the row, not of the config."""
        (types,) = self._link.each(keys, (("TYPE",), ()))
        at = [n for n, kind in enumerate(types) if kind not in (b"none", "none")]
        array = pa.array([types[n] for n in at], pa.string())
        return Made(["_type"], [array], at, [], [], sum(map(len, keys)))


def _changed(key: bytes, error: Exception) -> Bad:
    """Return what to say of a key that became something else after it was found."""
    return Bad(key, f"its type changed while it was read ({error})", written(key))
