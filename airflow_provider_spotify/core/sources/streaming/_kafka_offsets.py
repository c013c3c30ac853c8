"""Offsets of Kafka's partitions: where each is read from and to, and the cursor made of them."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from airflow_provider_spotify.core.clients.kafka import Kafka, Place
from airflow_provider_spotify.core.errors import DataError
from airflow_provider_spotify.core.model import Cursor, Window

if TYPE_CHECKING:
    from airflow_provider_spotify.core.sources.streaming._kafka_stream import KafkaStreamConfig

PROBING: Mapping[str, Any] = {
    "enable.partition.eof": True,
    "fetch.message.max.bytes": 4096,
    "queued.min.messages": 1,
    "isolation.level": "read_committed",
}
"""Settings of a client that fetches one message at most."""

log = logging.getLogger(__name__)


class Span(NamedTuple):
    """What is to be read of a partition: from ``start`` to before ``end``."""

    start: int
    end: int

    @property
    def behind(self) -> int:
        """How many offsets that is; some may hold no message (compacted, or of a transaction)."""
        return max(0, self.end - self.start)


def places(cursor: Cursor | None) -> dict[Place, int]:
    """Return the next offset of each partition in a cursor."""
    return {(topic, int(n)): at for topic, each in (cursor or {}).items() for n, at in each.items()}


def cursor(positions: Mapping[Place, int]) -> dict[str, dict[str, int]]:
    """Return the cursor of the next offsets: by topic, then by partition."""
    found: dict[str, dict[str, int]] = {}
    for (topic, number), at in sorted(positions.items()):
        found.setdefault(topic, {})[str(number)] = at
    return found


def spans(
    client: Kafka,
    config: KafkaStreamConfig,
    wanted: Sequence[str],
    *,
    since: Cursor | None,
    window: Window | None,
) -> dict[Place, Span]:
    """Return what there is to read now, by partition.

    :raises DataError: if messages behind the cursor are gone, unless the config goes on
    :raises ConfigurationError: if there is no such topic
    """
    if config.slices is not None:
        return _of_slices(client, config, since)
    found = client.topics(wanted)
    all_places = [(topic, n) for topic, numbers in found.items() for n in numbers]
    bounds = client.bounds(all_places)
    if window is not None:
        return _of_window(client, bounds, window, config)
    known, patterned = places(since), any(each.startswith("^") for each in wanted)
    topics = {topic for topic, _ in known}
    fresh = [place for place in all_places if place not in known]
    grown = [p for p in fresh if known and (p[0] in topics or patterned)]
    begins = beginnings(client, bounds, fresh, start=config.start, grown=grown)
    going_on = {
        place: checked(place, known[place], *bounds[place], on_gap=config.on_gap)
        for place in all_places
        if place in known
    }
    return {place: Span((begins | going_on)[place], bounds[place][1]) for place in all_places}


def beginnings(
    client: Kafka,
    bounds: Mapping[Place, tuple[int, int]],
    fresh: Sequence[Place],
    *,
    start: str | datetime,
    grown: Sequence[Place],
) -> dict[Place, int]:
    """Return where partitions without a cursor begin.

    :param grown: those that came after the first read: ``latest`` would lose what is in them
    """
    if isinstance(start, datetime):
        return _since_time(client, bounds, fresh, _millis(start))
    late = set(fresh) - set(grown) if start == "latest" else set()
    return {place: bounds[place][place in late] for place in fresh}


def _since_time(
    client: Kafka, bounds: Mapping[Place, tuple[int, int]], where: Sequence[Place], millis: int
) -> dict[Place, int]:
    found = client.at(where, millis)
    return {p: bounds[p][1] if at < 0 else max(at, bounds[p][0]) for p, at in found.items()}


def _of_slices(client: Kafka, config: KafkaStreamConfig, since: Cursor | None) -> dict[Place, Span]:
    known = places(since)
    cuts = {
        (topic, int(n)): Span(*span)
        for topic, numbers in (config.slices or {}).items()
        for n, span in numbers.items()
    }
    mine = [place for place, span in cuts.items() if span.behind]
    bounds = client.bounds(mine)
    found = {}
    for place, span in cuts.items():
        start = max(span.start, known.get(place, 0))
        if place in bounds:
            start = checked(place, start, *bounds[place], on_gap=config.on_gap)
        found[place] = Span(start, span.end)
    return found


def _of_window(
    client: Kafka,
    bounds: Mapping[Place, tuple[int, int]],
    window: Window,
    config: KafkaStreamConfig,
) -> dict[Place, Span]:
    """Bound the reading by the first message of the window and the first one well behind it."""
    where = list(bounds)
    starts = _since_time(client, bounds, where, _millis(window.start))
    ends = _since_time(client, bounds, where, _millis(window.end + config.lateness))
    return {place: Span(starts[place], ends[place]) for place in where}


def _millis(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)


def checked(place: Place, at: int, low: int, high: int, *, on_gap: str) -> int:
    """Return where a partition goes on.

    :param low: its first offset
    :param high: the offset that its next message gets
    :raises DataError: if what should come next is gone, unless ``on_gap`` is continue
    """
    if low <= at <= high:
        return at
    name = f"{place[0]}/{place[1]}"
    if at < low:
        said = (
            f"{low - at} messages of {name} are gone before they were imported (offsets {at} to"
            f" {low - 1}): its retention is shorter than the time since the last import"
        )
    else:
        said = (
            f"{name} ends at offset {high}, before the cursor's {at}: the topic was made anew,"
            " or its newest messages were lost"
        )
    if on_gap == "fail":
        raise DataError(f"{said}. Set on_gap: continue to go on with offset {low}.")
    log.warning("%s; going on with offset %s", said, low)
    return low


def cut(found: Mapping[Place, Span], n: int) -> list[dict[str, dict[str, tuple[int, int]]]]:
    """Cut spans into at most ``n`` sets of the same size: a line of them all, cut evenly.

    Each set names every partition, those of others as empty spans, so that each of the cursors
    that come of them is whole.
    """
    share = -(-sum(span.behind for span in found.values()) // n) or 1
    sets: list[dict[Place, Span]] = []
    room = 0
    for place, span in found.items():
        at = span.start
        while at < span.end:
            if not room:
                sets.append({})
                room = share
            upto = min(at + room, span.end)
            sets[-1][place] = Span(at, upto)
            room -= upto - at
            at = upto
    return [_written(found, own) for own in sets or [{}]]


def _written(
    found: Mapping[Place, Span], own: Mapping[Place, Span]
) -> dict[str, dict[str, tuple[int, int]]]:
    written: dict[str, dict[str, tuple[int, int]]] = {}
    for (topic, number), span in found.items():
        piece = own.get((topic, number), Span(span.start, span.start))
        written.setdefault(topic, {})[str(number)] = (piece.start, piece.end)
    return written
