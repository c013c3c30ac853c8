"""How far each key of a resource was read, and what is to be read next."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any, NamedTuple

from airflow_provider_spotify.core.model import Cursor, Window
from airflow_provider_spotify.core.sources.web.resource import Newest, Progress, Spans, Whole

Mark = Mapping[str, Any]
"""How far a key was read, as JSON: ``read`` (Whole: when), ``to`` (the others: up to when), and for
``Newest`` ``high`` and ``seen``."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Slice(NamedTuple):
    """What is read page by page without a stop: a key, and perhaps a span of time.

    :param mark: the name of the key in a cursor
    :param last: nothing else of this key is to be read in this pass
    """

    key: str
    mark: str
    start: datetime | None = None
    end: datetime | None = None
    last: bool = True


class Extent(NamedTuple):
    """What the configuration says about time."""

    start: datetime | None = None
    end: datetime | None = None
    lookback: timedelta = timedelta(0)
    refresh: timedelta | None = None


def mark_name(key: str) -> str:
    """Return the name of a key in a cursor, which holds no names of people."""
    return hashlib.blake2b(key.encode(), digest_size=6).hexdigest()


def marks_of(since: Cursor | None) -> dict[str, Mark]:
    """Return how far each key was read."""
    return dict((since or {}).get("marks") or {})


def until_of(progress: Progress, *, now: datetime, extent: Extent) -> datetime:
    """Return up to when a pass reads that begins now."""
    end = min(now, extent.end) if extent.end else now
    if not isinstance(progress, Spans):
        return end
    return floor(min(end, now - progress.settles), progress.unit, offset=progress.offset)


def begun_at(progress: Progress, begun: Mapping[str, Any]) -> datetime | None:
    """Return when a pass began: its pages are of that bound, even if a clock here is behind."""
    if not begun:
        return None
    settles = progress.settles if isinstance(progress, Spans) else timedelta(0)
    return datetime.fromisoformat(begun["until"]) + settles


def slices(
    progress: Progress,
    keys: Sequence[str],
    *,
    marks: Mapping[str, Mark],
    until: datetime,
    extent: Extent,
    window: Window | None = None,
    at: tuple[str, str] | None = None,
) -> list[Slice]:
    """Return what a pass reads, in order; nothing where nothing is due.

    :param at: key and start of the span where a pass is resumed that had begun
    """
    found: list[Slice] = []
    for key in keys:
        name = mark_name(key)
        mark = marks.get(name, {})
        if isinstance(progress, Spans):
            if window:
                # Whole units, so that windows that meet within one read it once, not twice.
                end = floor(window.end, progress.unit, offset=progress.offset)
                found += _spans(progress, key, window.start, min(until, end))
            elif at and at[0] == name:
                begun = max(datetime.fromisoformat(at[1]), extent.start or _EPOCH)
                found += _spans(progress, key, begun, until)
            elif not reached(mark, until):
                found += _spans(progress, key, _from(mark, extent), until)
        elif window is not None:
            found.append(Slice(key, name, window.start, window.end))
        elif _due(progress, mark, until=until, extent=extent):
            found.append(Slice(key, name, extent.start, until))
    return found


def _due(progress: Whole | Newest, mark: Mark, *, until: datetime, extent: Extent) -> bool:
    if isinstance(progress, Newest):
        return mark.get("to") != until.isoformat()
    if "read" not in mark:
        return True
    read = datetime.fromisoformat(mark["read"])
    return read != until and extent.refresh is not None and until - read >= extent.refresh


def _from(mark: Mark, extent: Extent) -> datetime:
    """Return where a key's spans begin."""
    if "to" not in mark:
        return extent.start or _EPOCH
    reached = datetime.fromisoformat(mark["to"])
    return max(reached - extent.lookback, extent.start or _EPOCH)


def _spans(progress: Spans, key: str, start: datetime, until: datetime) -> Iterator[Slice]:
    start = floor(start, progress.unit, offset=progress.offset)
    while start < until:
        end = min(start + progress.step, until)
        yield Slice(key, mark_name(key), start, end, end >= until)
        start = end


def reached(mark: Mark, until: datetime) -> bool:
    """Say whether a key was read up to a time or further."""
    return "to" in mark and datetime.fromisoformat(mark["to"]) >= until


def floor(time: datetime, unit: timedelta, *, offset: timedelta = timedelta(0)) -> datetime:
    """Return the last whole unit (since 1970, and so long after it) at or before a time."""
    return time - (time - _EPOCH - offset) % unit


def cut(
    progress: Spans, n: int, *, since: Cursor | None, until: datetime, extent: Extent
) -> list[tuple[datetime, datetime]]:
    """Return at most ``n`` spans of nearly equal length that together are what a pass reads."""
    begun = (since or {}).get("pass") or {}
    at = (begun["key"], begun["at"]) if begun.get("at") else None
    due = slices(progress, [""], marks=marks_of(since), until=until, extent=extent, at=at)
    if not due or due[0].start is None:
        return []
    bounds = split(due[0].start, until, n, unit=progress.step)
    return list(pairwise(bounds))


def split(start: datetime, end: datetime, n: int, *, unit: timedelta) -> list[datetime]:
    """Return the bounds of at most ``n`` spans of nearly equal length, in whole units."""
    units = max(0, -(-(end - start) // unit))
    parts = max(1, min(n, units))
    inner = [start + unit * (units * part // parts) for part in range(1, parts)]
    return [start, *inner, end]


def furthest(cursors: Sequence[Cursor | None]) -> dict[str, Mark]:
    """Return the furthest mark of each key."""
    found: dict[str, Mark] = {}
    for cursor in cursors:
        for name, mark in marks_of(cursor).items():
            if _reach(mark) >= _reach(found.get(name, {})):
                found[name] = mark
    return found


def _reach(mark: Mark) -> str:
    """Return up to when a key was read; ISO 8601 in UTC, so it orders as text."""
    return str(mark.get("to") or mark.get("read") or "")


def shape_digest(parts: Mapping[str, Any]) -> str:
    """Return the digest of what a page position is good for."""
    return hashlib.blake2b(repr(sorted(parts.items())).encode(), digest_size=8).hexdigest()
