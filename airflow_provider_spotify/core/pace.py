"""Says when what a load has taken is made durable, and when the load of a stream ends."""

from __future__ import annotations

import time
from datetime import UTC, datetime

from airflow_provider_spotify.core.config.plans import CheckpointPlan, FlushPlan


class Pace:
    """An ordinary load: durable every so many rows or seconds; its source says when it ends."""

    def __init__(self, plan: CheckpointPlan) -> None:
        self._plan = plan
        self._rows = 0
        self._since = time.monotonic()

    def took(self, *, rows: int, size: int) -> None:
        """Count what the sink took; ``size`` is bytes of Arrow memory."""
        self._rows += rows

    @property
    def due(self) -> bool:
        """It is time for a checkpoint."""
        late = time.monotonic() - self._since >= self._plan.every.total_seconds()
        return late or self._rows >= self._plan.rows

    def rested(self) -> None:
        """Count from here: everything is durable."""
        self._rows, self._since = 0, time.monotonic()

    def patience(self) -> float | None:
        """Return how many seconds may pass without a chunk before this is asked again."""
        return None

    @property
    def over(self) -> bool:
        """The time for this load is up."""
        return False

    @property
    def silent(self) -> bool:
        """Nothing came for as long as the plan waits."""
        return False


class StreamPace(Pace):
    """The load of a stream: durable soon after each row; it ends by the clock, or in silence.

    :param until: the moment at which it ends; ``run_for`` from now if None
    """

    def __init__(self, plan: FlushPlan, *, until: datetime | None = None) -> None:
        self._flush = plan
        now = time.monotonic()
        left = plan.run_for if until is None else until - datetime.now(UTC)
        self._end = now + left.total_seconds()
        self._heard = now
        self._rows = self._bytes = 0
        self._first: float | None = None  # when the oldest row that is not durable came

    def took(self, *, rows: int, size: int) -> None:
        """Count what the sink took; ``size`` is bytes of Arrow memory."""
        self._heard = time.monotonic()
        self._first = self._first or self._heard
        self._rows += rows
        self._bytes += size

    @property
    def due(self) -> bool:
        """A row has waited long enough, or enough of them wait."""
        if self._first is None:
            return False
        full = self._rows >= self._flush.rows or self._bytes >= self._flush.bytes
        return full or time.monotonic() >= self._first + self._flush.within.total_seconds()

    def rested(self) -> None:
        """Count from here: everything is durable."""
        self._rows, self._bytes, self._first = 0, 0, None

    def patience(self) -> float | None:
        """Return the seconds until a flush is due, the stream counts as silent, or the end."""
        moments = [self._end]
        if self._first is not None:
            moments.append(self._first + self._flush.within.total_seconds())
        if self._flush.idle is not None:
            moments.append(self._heard + self._flush.idle.total_seconds())
        return max(0.0, min(moments) - time.monotonic())

    @property
    def over(self) -> bool:
        """The time for this load is up."""
        return time.monotonic() >= self._end

    @property
    def silent(self) -> bool:
        """Nothing came for as long as the plan waits."""
        idle = self._flush.idle
        return idle is not None and time.monotonic() >= self._heard + idle.total_seconds()
