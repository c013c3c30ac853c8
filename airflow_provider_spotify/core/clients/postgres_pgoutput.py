"""The messages of pgoutput, PostgreSQL's own output plugin for logical replication, version 1.

https://www.postgresql.org/docs/current/protocol-logicalrep-message-formats.html
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Final, NamedTuple

Value = bytes | None
"""What a column holds, as text; None is NULL."""
UNCHANGED: Final = b"\0unchanged"
"""Stands for a large value that an update left as it was; no text holds a NUL."""

BEGIN, COMMIT, RELATION, TRUNCATE = b"BCRT"
INSERT, UPDATE, DELETE = b"IUD"
_TEXT, _NULL, _UNCHANGED_KIND = b"tnu"
_NEW, _OLD_KEY, _OLD = b"NKO"
_LENGTH = struct.Struct(">I")
_BEGIN = struct.Struct(">QqI")
_COMMIT = struct.Struct(">BQQq")
_NUMBERS = struct.Struct(">II")
_SHORT = struct.Struct(">H")
_COLUMN = struct.Struct(">Ii")
EPOCH_MICROS = 946_684_800_000_000
"""Microseconds from 1970 to 2000, which PostgreSQL counts from."""


class Begin(NamedTuple):
    """A transaction begins that committed at ``lsn``, at ``micros`` since 1970."""

    lsn: int
    micros: int
    xid: int


class Attribute(NamedTuple):
    """A column of a relation; ``key`` if it is of the replica identity."""

    name: str
    oid: int
    modifier: int
    key: bool


class Relation(NamedTuple):
    """What a table looked like when the changes that follow were made.

    :param identity: ``d`` the primary key, ``i`` an index, ``f`` the whole row, ``n`` nothing
    """

    oid: int
    schema: str
    table: str
    identity: str
    columns: Sequence[Attribute]


class Change(NamedTuple):
    """One change of one row: what it was, as far as that is told, and what it became.

    :param whole: ``old`` is the whole row, not its key alone
    """

    old: list[Value] | None
    new: list[Value] | None
    whole: bool = False


def begin(message: bytes) -> Begin:
    """Read the message that opens a transaction."""
    lsn, micros, xid = _BEGIN.unpack_from(message, 1)
    return Begin(lsn, micros + EPOCH_MICROS, xid)


def commit_end(message: bytes) -> int:
    """Return the position behind a transaction."""
    return int(_COMMIT.unpack_from(message, 1)[2])


def truncated(message: bytes) -> Sequence[int]:
    """Return the relations that were emptied."""
    count = _LENGTH.unpack_from(message, 1)[0]
    return struct.unpack_from(f">{count}I", message, 6)


def relation(message: bytes) -> Relation:
    """Read what a table looks like."""
    oid = _LENGTH.unpack_from(message, 1)[0]
    schema, at = _string(message, 5)
    table, at = _string(message, at)
    identity, count = chr(message[at]), _SHORT.unpack_from(message, at + 1)[0]
    at += 3
    columns = []
    for _ in range(count):
        key = bool(message[at])
        name, at = _string(message, at + 1)
        kind, modifier = _COLUMN.unpack_from(message, at)
        columns.append(Attribute(name, kind, modifier, key))
        at += _COLUMN.size
    return Relation(oid, schema or "pg_catalog", table, identity, tuple(columns))


def relation_of(message: bytes) -> int:
    """Return the relation whose row an insert, update or delete is about."""
    return int(_LENGTH.unpack_from(message, 1)[0])


def change(message: bytes) -> Change:
    """Read an insert, update or delete."""
    part, at = message[5], 6
    if part == _NEW:
        return Change(None, _values(message, at)[0])
    old, at = _values(message, at)
    new = _values(message, at + 1)[0] if at < len(message) else None
    return Change(old, new, whole=part == _OLD)


def _values(message: bytes, at: int) -> tuple[list[Value], int]:
    """Read the columns of one row; return also where it ends."""
    count = _SHORT.unpack_from(message, at)[0]
    at += 2
    found: list[Value] = []
    add, length_at = found.append, _LENGTH.unpack_from
    for _ in range(count):
        kind = message[at]
        if kind == _TEXT:
            start = at + 5
            at = start + length_at(message, at + 1)[0]
            add(message[start:at])
        else:
            add(None if kind == _NULL else UNCHANGED)
            at += 1
    return found, at


def _string(message: bytes, at: int) -> tuple[str, int]:
    end = message.index(0, at)
    return message[at:end].decode(), end + 1
