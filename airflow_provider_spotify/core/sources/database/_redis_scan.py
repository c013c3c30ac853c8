"""Walks over the keys of a Redis, page by page; the cursor says where it can go on.

SCAN gives every key that is there from the beginning to the end, in an order that is no order of
theirs, and may be continued over another connection, as long as the server is the same process.
"""

from __future__ import annotations

import hashlib
from collections.abc import Generator, Sequence
from contextlib import closing
from typing import TYPE_CHECKING, Any, NamedTuple

import pyarrow as pa

from airflow_provider_spotify.core.clients.redis import Link, clustered, masters, server
from airflow_provider_spotify.core.errors import ConfigurationError, DataError
from airflow_provider_spotify.core.model import Chunk, Cursor
from airflow_provider_spotify.core.sources.database import _redis_rows as rows
from airflow_provider_spotify.core.sources.database._redis_members import Members
from airflow_provider_spotify.core.sources.database._redis_seen import Seen
from airflow_provider_spotify.core.sources.database._redis_values import Hashes, Names, Strings

if TYPE_CHECKING:
    from airflow_provider_spotify.core.sources.database.redis import RedisConfig, RedisSource

BATCH_BYTES = 16 << 20
PAGE_BYTES = 4 << 20
"""What a page of values may bring, about: fewer keys are asked for where values are large."""
MOST, FEWEST = 4_000, 16
LOOKED_AT = 50_000
"""Keys that one SCAN looks at, at most, where few of them match; about 10 ms of the server."""


class Stand(NamedTuple):
    """Where the walk stands.

    :param node: which of a cluster's nodes, by its address
    :param run: which process of the server; another one has another order
    :param scan: SCAN's cursor: empty before the first, ``0`` at the end
    :param large: collections before it that are not read to their end: a hash of the key, which
        may be personal, and where it goes on
    :param back: SCAN's cursor from which on their keys are found again
    """

    node: str
    run: str
    scan: str = ""
    large: tuple[tuple[str, str], ...] = ()
    back: str = ""

    def cursor(self) -> dict[str, Any]:
        """Return what the cursor holds."""
        told = {"node": self.node, "run": self.run, "scan": self.scan, "more": True}
        large = {"large": [list(each) for each in self.large], "back": self.back}
        return told | large if self.large else told

    def named(self, key: bytes) -> str:
        """Return a hash of a key."""
        return hashlib.blake2b(key, digest_size=8, key=self.run.encode()[:64]).hexdigest()


class Piece(NamedTuple):
    """What one page brought, and where the walk stands behind it."""

    stand: Stand
    batch: pa.RecordBatch | None = None
    rejected: Sequence[pa.RecordBatch] = ()
    large: Sequence[tuple[bytes, str]] = ()

    @property
    def rows(self) -> int:
        """Count the rows and what is none."""
        batches = [*self.rejected, *([] if self.batch is None else [self.batch])]
        return sum(int(each.num_rows) for each in batches)


class Walk:
    """One read of all keys.

    :raises ImporterError: as :meth:`RedisSource.read`
    """

    def __init__(self, source: RedisSource) -> None:
        self._source = source
        self._config = source.config
        self._ttl = rows.TTLS.get(source.config.ttl)
        self._seen = Seen()
        self._most = min(FEWEST, source.config.batch_size)
        self._share = 1.0  # of the keys looked at, those that match

    def chunks(self, since: Cursor | None) -> Generator[Chunk, None, None]:
        """Yield what comes after the cursor; after a whole walk that is everything again.

        One chunk is held back, because the last one says that nothing is left.
        """
        going = since if since and since.get("more") else None
        held: Chunk | None = None
        for pieces in self._grouped(self._pieces(going)):
            if held is not None:
                yield held
            held = _chunk(pieces, pieces[-1].stand.cursor())
        if held is not None:
            yield held._replace(cursor={"more": False})
        elif going is not None:  # what was left has gone meanwhile
            empty = pa.RecordBatch.from_pylist([], pa.schema([("_key", pa.string())]))
            yield Chunk(empty, {"more": False})

    def any(self) -> bool:
        """Say whether there is a key, at the price of looking until one is found."""
        for credentials in masters(self._source.credentials):
            with Link(credentials) as link:
                scan = ""
                while scan != "0":
                    scan, keys = self._page(link, scan)
                    if keys:
                        return True
        return False

    def _grouped(self, pieces: Generator[Piece, None, None]) -> Generator[list[Piece], None, None]:
        """Put pieces together until they are worth a batch."""
        with closing(pieces):
            group: list[Piece] = []
            for piece in pieces:
                if piece.rows:
                    group.append(piece)
                elif group:
                    group[-1] = group[-1]._replace(stand=piece.stand)
                size = sum(each.batch.nbytes for each in group if each.batch is not None)
                full = sum(each.rows for each in group) + self._most > self._config.batch_size
                if group and (full or size >= BATCH_BYTES):
                    yield group
                    group = []
            if group:
                yield group

    # ── walking ──────────────────────────────────────────────────────────────────────────────

    def _pieces(self, going: Cursor | None) -> Generator[Piece, None, None]:
        nodes = {server(node): node for node in masters(self._source.credentials)}
        stand = _stand(going) if going else None
        begun = stand is None or stand.node not in nodes
        for place, credentials in nodes.items():
            begun = begun or (stand is not None and stand.node == place)
            if begun:
                with Link(credentials) as link:
                    yield from self._node(link, _began(link, place, stand))
                stand = None

    def _node(self, link: Link, stand: Stand) -> Generator[Piece, None, None]:
        """Walk over one node's keys."""
        values = _values(link, self._config, apart=clustered(self._source.credentials))
        if stand.large:
            found = self._found_again(link, stand)
            yield from self._rest(values, stand, found)
            stand = stand._replace(large=(), back="")
        while stand.scan != "0":
            back = stand.scan
            scan, keys = self._page(link, back)
            stand = stand._replace(scan=scan)
            fresh = self._seen.new(keys) if keys else []
            piece = self._read(link, values, fresh, stand)
            if piece.large:
                names = tuple((stand.named(key), at) for key, at in piece.large)
                piece = piece._replace(stand=stand._replace(large=names, back=back))
            yield piece
            if piece.large:
                yield from self._rest(values, piece.stand, piece.large)

    def _page(self, link: Link, scan: str) -> tuple[str, list[bytes]]:
        """Take one step; look at more keys the next time where few of them match."""
        kind = _KINDS.get(self._config.data_type)
        of_type = ("TYPE", kind) if kind else ()
        count = max(1, min(LOOKED_AT, round(self._most / self._share)))
        words = ("MATCH", self._config.match, "COUNT", count, *of_type)
        after, keys = link.do("SCAN", scan or "0", *words)
        self._share = min(1.0, max(len(keys), 0.5) / count)
        return after.decode(), keys

    def _read(self, link: Link, values: Values, keys: Sequence[bytes], stand: Stand) -> Piece:
        """Read the values of some keys; ask for as many the next time as the sizes allow."""
        named, bad = _told_apart(keys)
        if not named:
            return Piece(stand, rejected=rows.refused(bad))
        left = None
        if self._ttl is not None:
            (left,) = link.each(named, ((self._ttl.command,), ()))
            left = [link.good(each) for each in left]
        made = values.read(named)
        fit = PAGE_BYTES * len(named) // max(made.size, 1)
        self._most = max(1, min(MOST, 4 * self._most, fit, self._config.batch_size))
        batch = rows.batch(made, named, type=self._config.data_type, ttl=self._ttl, left=left)
        return Piece(stand, batch, rows.refused([*bad, *made.bad]), made.large)

    # ── large collections ────────────────────────────────────────────────────────────────────

    def _rest(
        self, values: Values, stand: Stand, large: Sequence[tuple[bytes, str]]
    ) -> Generator[Piece, None, None]:
        """Read large collections to their end, page by page."""
        assert isinstance(values, Members)
        waiting = [(stand.named(key), at) for key, at in large]
        for key, begin in large:
            name, left = waiting.pop(0)[0], self._left(values.link, key)
            for made, at in values.rest(key, begin):
                ahead = ([(name, at)] if at else []) + waiting
                batch = rows.batch(
                    made, [key], type=self._config.data_type, ttl=self._ttl, left=left
                )
                after = stand._replace(large=tuple(ahead), back=stand.back if ahead else "")
                yield Piece(after, batch, rows.refused(made.bad))

    def _left(self, link: Link, key: bytes) -> list[int] | None:
        if self._ttl is None:
            return None
        (left,) = link.each([key], ((self._ttl.command,), ()))
        return [link.good(left[0])]

    def _found_again(self, link: Link, stand: Stand) -> list[tuple[bytes, str]]:
        """Find the keys whose hashes the cursor holds; one that is not there any more is done."""
        wanted, found, scan = dict(stand.large), dict[str, bytes](), stand.back
        while len(found) < len(wanted):
            scan, keys = self._page(link, scan)
            found |= {name: key for key in keys if (name := stand.named(key)) in wanted}
            if scan == "0":
                break
        return [(found[name], at) for name, at in wanted.items() if name in found]


def _told_apart(keys: Sequence[bytes]) -> tuple[Sequence[bytes], list[rows.Bad]]:
    """Set aside the keys that are no text."""
    if rows.all_text(keys):
        return keys, []
    named = [key for key in keys if rows.is_text(key)]
    others = [key for key in keys if not rows.is_text(key)]
    return named, [rows.Bad(key, "the key is not UTF-8", rows.written(key)) for key in others]


# ── beginning ────────────────────────────────────────────────────────────────────────────────

Values = Strings | Hashes | Names | Members
_KINDS = {
    "string": "string",
    "hash": "hash",
    "list": "list",
    "set": "set",
    "zset": "zset",
    "json": "ReJSON-RL",
}


def _values(link: Link, config: RedisConfig, *, apart: bool) -> Values:
    if config.data_type == "json":
        _has_json(link)
    if config.data_type == "any":
        return Names(link, config)
    if config.data_type in ("string", "json"):
        return Strings(link, config, apart=apart)
    if config.data_type == "hash" and config.layout == "columns":
        return Hashes(link, config)
    return Members(link, config)


def _has_json(link: Link) -> None:
    if link.do("COMMAND", "INFO", "JSON.GET")[0] is None:
        raise ConfigurationError(
            f"Redis at {link.place} has no JSON type (it comes with Redis 8, or the module"
            " RedisJSON); JSON in strings is read by data_type: string, format: json"
        )


def _began(link: Link, place: str, stand: Stand | None) -> Stand:
    run = process(link)
    if stand is None:
        return Stand(place, run)
    if stand.run != run:
        raise DataError(
            f"Redis at {place} is another process than the one this load began with, and its keys"
            " have another order; what was read is discarded, so run the load again"
        )
    return stand


def process(link: Link) -> str:
    """Return what tells one process of a server from the next."""
    said: dict[str, Any] = link.do("INFO", "server")
    return str(said["run_id"])


def _stand(cursor: Cursor) -> Stand:
    large = tuple((str(name), str(at)) for name, at in cursor.get("large", ()))
    return Stand(cursor["node"], cursor["run"], cursor["scan"], large, cursor.get("back", ""))


def _chunk(pieces: Sequence[Piece], cursor: Cursor) -> Chunk:
    batches = [each.batch for each in pieces if each.batch is not None]
    refused = [batch for each in pieces for batch in each.rejected]
    rejected = pa.concat_batches(refused) if refused else None
    return Chunk(_joined(batches), cursor, rejected)


def _joined(batches: Sequence[pa.RecordBatch]) -> pa.RecordBatch:
    """Join batches whose columns may differ."""
    if not batches:
        return pa.RecordBatch.from_pylist([], pa.schema([("_key", pa.string())]))
    if all(batch.schema == batches[0].schema for batch in batches[1:]):
        return pa.concat_batches(batches)
    tables = [pa.Table.from_batches([batch]) for batch in batches]
    whole = pa.concat_tables(tables, promote_options="permissive").combine_chunks()
    return whole.to_batches()[0] if whole.num_rows else pa.RecordBatch.from_pylist([], whole.schema)
