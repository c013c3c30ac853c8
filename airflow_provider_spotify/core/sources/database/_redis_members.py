"""Reads members of Redis' collections, a row each: sets, sorted sets, lists, hashes' fields."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from airflow_provider_spotify.core.clients.redis import Link
from airflow_provider_spotify.core.sources.database._redis_rows import (
    Bad,
    Made,
    all_text,
    is_text,
    written,
)
from airflow_provider_spotify.core.sources.database._redis_seen import Seen

if TYPE_CHECKING:
    from airflow_provider_spotify.core.sources.database.redis import RedisConfig

FIRST, PAGE = 500, 5_000
"""Members that are asked for at once: of many keys, and of one that has more."""
_COMMANDS = {"set": "SSCAN", "zset": "ZSCAN", "hash": "HSCAN"}
_NAMES = {
    "set": ["member"],
    "zset": ["member", "score"],
    "list": ["index", "value"],
    "hash": ["field", "value"],
}


class Members:
    """Collections, a row for each member; large ones page by page."""

    def __init__(self, link: Link, config: RedisConfig) -> None:
        self.link = link
        self._type = config.data_type
        self._raw = config.format == "raw"

    def read(self, keys: Sequence[bytes]) -> Made:
        """Read the members of some keys; of large ones the first page."""
        (replies,) = self.link.each(keys, self._shape("0", FIRST))
        bad: list[Bad] = []
        members: list[Sequence[bytes]] = []
        large: list[tuple[bytes, str]] = []
        for key, reply in zip(keys, replies, strict=True):
            if isinstance(reply, Exception):
                said = f"its type changed while it was read ({reply})"
                bad.append(Bad(key, said, written(key)))
                members.append([])
                continue
            found, more = self._page(reply, 0, FIRST)
            members.append(found)
            if more:
                large.append((key, more))
        return self._made(keys, members, [0] * len(keys), bad, large)

    def rest(self, key: bytes, at: str) -> Generator[tuple[Made, str], None, None]:
        """Read what a large collection has after its first page, and where each page ends.

        Members that come twice, because the collection shrank meanwhile, are left out.
        """
        seen, more = Seen(), at
        while more:
            (reply,) = self.link.each([key], self._shape(more, PAGE))[0]
            self.link.good(reply)
            begin = int(more) if self._type == "list" else 0
            members, more = self._page(reply, begin, PAGE)
            if self._type != "list":
                members = self._fresh(members, seen)
            yield self._made([key], [members], [begin], [], []), more

    def _shape(self, at: str, count: int) -> tuple[Sequence[Any], Sequence[Any]]:
        if self._type == "list":
            return ("LRANGE",), (at, int(at) + count - 1)
        return (_COMMANDS[self._type],), (at, "COUNT", count)

    def _page(self, reply: Any, begin: int, count: int) -> tuple[Sequence[bytes], str]:
        """Return the members of a reply, and where there are more."""
        if self._type == "list":
            return reply, str(begin + count) if len(reply) == count else ""
        cursor, members = reply
        return members, "" if cursor == b"0" else cursor.decode()

    @property
    def _width(self) -> int:
        return 2 if self._type in ("zset", "hash") else 1

    def _fresh(self, members: Sequence[bytes], seen: Seen) -> Sequence[bytes]:
        fresh = set(seen.new(list(members[:: self._width])))
        if len(fresh) == len(members) // self._width:
            return members
        kept = [n for n, each in enumerate(members[:: self._width]) if each in fresh]
        return [members[self._width * n + part] for n in kept for part in range(self._width)]

    # ── rows ─────────────────────────────────────────────────────────────────────────────────

    def _made(
        self,
        keys: Sequence[bytes],
        members: Sequence[Sequence[bytes]],
        begins: Sequence[int],
        bad: list[Bad],
        large: list[tuple[bytes, str]],
    ) -> Made:
        """Make columns of the members of several keys."""
        flat = list(chain.from_iterable(members))
        size = sum(map(len, flat))
        counts = [len(each) // self._width for each in members]
        at = np.repeat(np.arange(len(keys)), counts)
        parts = [flat[n :: self._width] for n in range(self._width)]
        if not self._raw and not all(map(all_text, parts)):
            good = [n for n, row in enumerate(zip(*parts, strict=True)) if all(map(is_text, row))]
            bad += self._refused(keys, at, parts, set(range(len(at))) - set(good))
            arrays = self._arrays([[part[n] for n in good] for part in parts])
        else:
            good, arrays = None, self._arrays(parts)
        if self._type == "list":
            ends = np.cumsum([0, *counts])[:-1]
            index = pa.array(np.arange(len(at)) - np.repeat(ends - np.array(begins), counts))
            arrays = [index if good is None else index.take(pa.array(good, pa.int64())), *arrays]
        rows = at if good is None else at[good]
        return Made(_NAMES[self._type], arrays, rows.tolist(), bad, large, size)

    def _arrays(self, parts: Sequence[Sequence[bytes]]) -> list[pa.Array]:
        kind = pa.binary() if self._raw else pa.string()
        if self._type == "zset":
            scores = pa.array(parts[1], pa.string()).cast(pa.float64())
            return [pa.array(parts[0], kind), scores]
        if self._type == "hash":
            return [pa.array(parts[0], pa.string()), pa.array(parts[1], kind)]
        return [pa.array(parts[0], kind)]

    def _refused(
        self, keys: Sequence[bytes], at: Any, parts: Sequence[Sequence[bytes]], rows: set[int]
    ) -> list[Bad]:
        names = _NAMES[self._type][-self._width :]
        found = []
        for row in sorted(rows):
            values = {name: part[row] for name, part in zip(names, parts, strict=True)}
            key = keys[int(at[row])]
            found.append(Bad(key, "not UTF-8; format: raw gives bytes", written(key, **values)))
        return found
