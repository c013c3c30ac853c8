"""Plans a read of Pulsar: which topic partitions, from which position, to which."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain

from airflow_provider_spotify.core.clients.pulsar import Pulsar
from airflow_provider_spotify.core.clients.pulsar_positions import Position
from airflow_provider_spotify.core.errors import DataError
from airflow_provider_spotify.core.model import Cursor
from airflow_provider_spotify.core.sources.streaming._pulsar_partition import Span

Positions = dict[str, Position]


def positions_of(cursor: Cursor | None) -> Positions:
    """Read a cursor: the last position of each topic partition.

    :raises DataError: if it is not one of this source
    """
    if cursor is None:
        return {}
    try:
        return {str(name): Position.parse(text) for name, text in cursor["positions"].items()}
    except (KeyError, AttributeError, TypeError) as error:
        raise DataError("the cursor is not one of Pulsar's; reset it (full_refresh)") from error


def cursor_of(positions: Mapping[str, Position]) -> Cursor:
    """Write positions as a cursor."""
    return {"positions": {name: str(position) for name, position in sorted(positions.items())}}


def farthest(cursors: Sequence[Cursor | None]) -> Positions:
    """Return the last position that any of some cursors has of each topic partition."""
    found: Positions = {}
    for name, position in chain.from_iterable(positions_of(each).items() for each in cursors):
        if name not in found or position.order > found[name].order:
            found[name] = position
    return found


def all_spans(
    partitions: Mapping[str, Sequence[str]],
    positions: Positions,
    slices: Mapping[str, str] | None,
) -> list[Span]:
    """Return what is to be read without looking for an end; all of it, or the slices of a part.

    :param partitions: the topic partitions of each topic
    """
    spans = [
        Span(name, topic, positions.get(name), None)
        for topic, names in partitions.items()
        for name in names
    ]
    if slices is None:
        return spans
    return [s._replace(end=Position.parse(slices[s.name])) for s in spans if s.name in slices]


def ended(client: Pulsar, spans: Sequence[Span], *, compacted: bool) -> list[Span]:
    """Return the spans that hold something now, each ending with its last message of now."""
    open_ = [span.name for span in spans if span.end is None]
    lasts = client.ends(open_, compacted=compacted) if open_ else []
    ends = dict(zip(open_, lasts, strict=True))
    found = [s if s.end else s._replace(end=ends[s.name]) for s in spans]
    return [s for s in found if s.end and (s.after is None or s.end.order > s.after.order)]


def checked(client: Pulsar, spans: Sequence[Span]) -> list[Span]:
    """Return the spans with a note where the message that was read last is not there any more.

    Brokers delete whole ledgers from the front: as long as it is there, so is what follows it.
    """
    known = {span.name: span.after for span in spans if span.after is not None}
    firsts = dict(zip(known, client.nexts(known), strict=True)) if known else {}

    def gone(name: str) -> bool:
        first = firsts.get(name)
        return name in known and (first is None or first.order > known[name].order)

    return [span._replace(gone=gone(span.name)) for span in spans]


def shared(spans: Sequence[Span], n: int) -> list[dict[str, str]]:
    """Share spans out to at most ``n`` parts; each is the position to end at by partition."""
    parts: list[dict[str, str]] = [{} for _ in range(min(n, len(spans)))]
    for number, span in enumerate(spans):
        parts[number % len(parts)][span.name] = str(span.end)
    return parts
