"""Turns the fields of many Redis hashes or stream entries into columns of text."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import chain
from typing import Any, NamedTuple

import orjson
import pyarrow as pa

from airflow_provider_spotify.core.clients.payloads import text_of

Fields = Sequence[bytes]
"""Names and values in turn."""


class Columns(NamedTuple):
    """Columns of text.

    :param kept: the positions of those that became rows; None: all did
    :param bad: position, reason and record of those that did not
    """

    names: list[str]
    arrays: list[pa.Array]
    kept: list[int] | None
    bad: list[tuple[int, str, str]]


def columns(fields: Sequence[Fields], *, taken: Collection[str]) -> Columns:
    """Return a column for each name among the fields; what has other fields has nulls there.

    What is not UTF-8, or has a field more than once, is no row.

    :param taken: names of other columns; a field of such a name gets an underscore behind it
    """
    kept: list[int] | None = None
    bad: list[tuple[int, str, str]] = []
    try:
        names, arrays = _arrays(fields)
    except ValueError:
        kept, bad = _sorted_out(fields)
        names, arrays = _arrays([fields[n] for n in kept]) if kept else ([], [])
    return Columns([f"{n}_" if n in taken else n for n in names], arrays, kept, bad)


def _arrays(fields: Sequence[Fields]) -> tuple[list[str], list[pa.Array]]:
    names, values = _even(fields) or _uneven(fields)
    return names, [pa.array(column, pa.string()) for column in values]


def _even(fields: Sequence[Fields]) -> tuple[list[str], list[Sequence[Any]]] | None:
    """Return names and columns of what all has the same fields in the same order."""
    width, rows = len(fields[0]), len(fields)
    if set(map(len, fields)) != {width}:
        return None
    flat = list(chain.from_iterable(fields))
    names = flat[:width:2]
    if any(flat[2 * n :: width].count(name) != rows for n, name in enumerate(names)):
        return None
    _refuse_repeated(names)
    return [name.decode() for name in names], [flat[n::width] for n in range(1, width, 2)]


def _uneven(fields: Sequence[Fields]) -> tuple[list[str], list[Sequence[Any]]]:
    names = dict.fromkeys(chain.from_iterable(each[::2] for each in fields))
    rows = [dict(zip(each[::2], each[1::2], strict=True)) for each in fields]
    for row, each in zip(rows, fields, strict=True):
        if 2 * len(row) != len(each):
            _refuse_repeated(each[::2])
    return [name.decode() for name in names], [[row.get(name) for row in rows] for name in names]


def _refuse_repeated(names: Sequence[bytes]) -> None:
    if len(set(names)) != len(names):
        raise ValueError("a field is there more than once")


def _sorted_out(fields: Sequence[Fields]) -> tuple[list[int], list[tuple[int, str, str]]]:
    """Look at each for itself."""
    kept, bad = [], []
    for position, each in enumerate(fields):
        try:
            _refuse_repeated(each[::2])
            for value in each:
                value.decode()
            kept.append(position)
        except ValueError as error:
            said = "not UTF-8" if isinstance(error, UnicodeDecodeError) else str(error)
            bad.append((position, said, record(each)))
    return kept, bad


def record(fields: Fields) -> str:
    """Write fields as JSON; what is not UTF-8 as base64, and repeated fields as a list."""
    texts = [text_of(each) for each in fields]
    names = texts[::2]
    if len(set(names)) == len(names):
        return orjson.dumps(dict(zip(names, texts[1::2], strict=True))).decode()
    return orjson.dumps(texts).decode()
