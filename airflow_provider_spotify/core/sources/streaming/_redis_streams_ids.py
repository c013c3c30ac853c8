"""The ids of stream entries, ``milliseconds-sequence``: their order, and cuts between them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime

from airflow_provider_spotify.core.model import Window

FIRST = "0-0"
LAST = "+"


def order(id: str) -> tuple[int, int]:
    """Return an id as two numbers, which compare as Redis compares ids."""
    milliseconds, _, sequence = id.partition("-")
    return int(milliseconds), int(sequence or 0)


def at(moment: datetime) -> str:
    """Return the first id that an entry of a moment may have."""
    return f"{math.ceil(moment.timestamp() * 1000)}-0"


def before(id: str) -> str:
    """Return the id right before another."""
    milliseconds, sequence = order(id)
    if sequence:
        return f"{milliseconds}-{sequence - 1}"
    return f"{milliseconds - 1}-{2**64 - 1}" if milliseconds else FIRST


def span(window: Window) -> tuple[str, str]:
    """Return the ids that a window lies between: after the first, up to the second."""
    return before(at(window.start)), before(at(window.end))


def cuts(after: str, upto: str, n: int) -> Sequence[str]:
    """Return at most ``n - 1`` ids that cut a span of ids into equal spans of time."""
    low, high = order(after)[0], order(upto)[0]
    found = (low + (high - low) * step // n for step in range(1, n))
    return [f"{each}-0" for each in dict.fromkeys(found) if low < each < high]
