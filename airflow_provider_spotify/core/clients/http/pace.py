"""What requests teach about an API's rate, as plain figures: the caller brings the clock.

A rolling window of ``per`` seconds that holds ``count`` requests is what most APIs mean by a rate
(https://developer.spotify.com/documentation/web-api/concepts/rate-limits). It is learned from the
first refusal: what went through since the window began is its count, and the wait that is asked
for, added to the time since then, is its length.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

SHARE = 0.97
"""How much of the rate is used: the rest is for clocks and ways that differ."""
FEWEST = 10
"""Requests; from fewer it cannot be told whether the API or another of its clients was busy."""
LOGGED = 20_000
"""Requests that are remembered to learn from."""
_ROUND = 0.1
"""Seconds that a whole-second window may seem shorter by, for the way there and back."""
_JITTER = 0.02
"""Seconds by which two requests may come closer to each other on their way."""
_UNDER_WAY = 1_000
"""Requests, at most, that were sent after one and before its answer."""


@dataclass(frozen=True, slots=True)
class Learned:
    """A rate that an API was seen to keep.

    :param count: requests that any ``per`` seconds hold
    :param since: when it was last refused, or raised, on the clock of the log
    """

    count: float
    per: float
    since: float

    @property
    def most(self) -> int:
        """How many requests are sent in any ``per`` seconds."""
        return max(1, round(self.count * SHARE))

    def wait(self, log: Sequence[float], now: float) -> float:
        """Return the seconds until the next request has room; ``log`` holds those before it."""
        if len(log) < self.most:
            return 0.0
        return max(0.0, log[-self.most] + self.per + _JITTER - now)

    def probed(self, log: Sequence[float], now: float) -> Learned:
        """Return a slightly higher rate if this one was kept, and needed, for long."""
        used = len(log) >= self.most and log[-self.most] > now - 1.5 * self.per
        if not used or now - self.since < max(20 * self.per, 300.0):
            return self
        return replace(self, count=self.count * 1.03, since=now)


def learned(
    log: Sequence[float], *, refused: float, wait: float, before: Learned | None = None
) -> Learned | None:
    """Return the rate that a refusal shows; None if too little went through to tell.

    :param log: when the requests were sent that were not refused, in order, seconds
    :param refused: when the refused one was sent
    :param wait: seconds that the API asked to wait
    :param before: what was known until now, and was too much
    """
    sent = [moment for moment in log if moment <= refused]
    if before is not None:
        return _lowered(sent, before, refused=refused, wait=wait)
    if len(sent) < FEWEST or wait <= 0:
        return None
    first = _beginning(sent, wait)
    per = _whole(wait + refused - sent[first], wait)
    count = sum(moment > refused - per for moment in log)
    return Learned(count, per, refused) if count >= FEWEST else None


def _beginning(sent: Sequence[float], wait: float) -> int:
    """Find where the window began: nothing was sent for as long before it as is to be waited."""
    for index in range(len(sent) - 1, 0, -1):
        if sent[index] - sent[index - 1] >= wait:
            return index
    return 0


def _whole(per: float, wait: float) -> float:
    """Round to whole seconds where the wait was rounded up to them, as windows are."""
    return float(int(per + _ROUND)) if wait == int(wait) and per >= 2 else per


def _lowered(sent: Sequence[float], before: Learned, *, refused: float, wait: float) -> Learned:
    """Return a lower rate: a longer window if it lets the oldest go later, or a smaller one."""
    most = before.most
    oldest = sent[-most] if len(sent) >= most else None
    if oldest is not None and refused - oldest <= before.per + 2:
        longer = refused + wait - oldest
        if before.per < longer <= before.per + 2:
            return Learned(before.count, longer, refused)
    passed = sum(moment > refused - before.per for moment in sent)
    return Learned(max(1.0, min(passed, 0.9 * before.count)), before.per, refused)


@dataclass(slots=True)
class Pace:
    """One key's log, and the rate that was learned from it."""

    log: deque[float] = field(default_factory=lambda: deque(maxlen=LOGGED))
    rate: Learned | None = None
    _refused: tuple[float, float] | None = None

    def take(self, now: float) -> float:
        """Log one request and return 0, or return the seconds until there is room."""
        self._learn()
        if self.rate is not None:
            self.rate = self.rate.probed(self.log, now)
            if wait := self.rate.wait(self.log, now):
                return wait
        self.log.append(now)
        return 0.0

    def refuse(self, sent: float, wait: float) -> None:
        """Take a request out of the log; what it teaches is looked at when the wait is over.

        By then the others that were under way have been answered, so the log is complete.

        :param wait: seconds that the API asked for; zero if it did not say
        """
        if sent in self.log:
            self.log.remove(sent)
        earlier = self._refused is None or sent < self._refused[0]
        fresh = self.rate is None or sent > self.rate.since
        if wait > 0 and earlier and fresh:
            self._refused = (sent, wait)

    def answered(self, sent: float, now: float) -> None:
        """Count a request from its answer on: the API counted it at some time before that.

        So a slow way there cannot bring it closer to one a period later than the rate allows. While
        nothing is learned the log stays as it was sent, since that tells a window's beginning.
        """
        if self.rate is None:
            return
        for back in range(1, min(len(self.log), _UNDER_WAY) + 1):
            if self.log[-back] == sent:
                del self.log[-back]
                self.log.append(max(now, self.log[-1]) if self.log else now)
                return

    def _learn(self) -> None:
        if self._refused is None:
            return
        sent, wait = self._refused
        self.rate = learned(self.log, refused=sent, wait=wait, before=self.rate) or self.rate
        self._refused = None


@dataclass(slots=True)
class Allowance:
    """How many requests an API said may still be sent before its limit is renewed."""

    _until: float = 0.0
    _seen: int = 0
    _left: int = 0
    _under_way: int = 0

    def told(self, remaining: int, reset: float, now: float) -> None:
        """Learn what an answer said; those still under way may or may not be counted in it.

        :param reset: seconds
        """
        until = now + reset
        same = now < self._until and abs(until - self._until) <= 1.5
        self._seen = min(self._seen, remaining) if same else remaining
        self._until = max(self._until, until) if same else until
        self._left = self._seen - self._under_way

    def wait(self, now: float) -> float:
        """Return the seconds until a request may be sent; short while an answer may tell more."""
        if now >= self._until or self._left > 0:
            return 0.0
        left = self._until - now
        return min(left, 0.05) if self._under_way else left

    def sent(self) -> None:
        """Count a request."""
        self._left -= 1
        self._under_way += 1

    def answered(self) -> None:
        """Count an answer, or the failure to get one; before what it told is learned."""
        self._under_way -= 1


@dataclass(slots=True)
class Width:
    """How many requests are under way at once: one more each round, half after a refusal.

    :param most: the most there may be
    """

    most: int
    _now: float = 0.0
    _cut: float = float("-inf")

    def __post_init__(self) -> None:
        self._now = float(self.most)

    def __int__(self) -> int:
        return int(self._now)

    def grow(self) -> None:
        """Learn that a request went well."""
        if self._now < self.most:
            self._now = min(self.most, self._now + 1 / self._now)

    def shrink(self, sent: float, now: float) -> None:
        """Learn that a request which was sent at a time was too much; once in a round trip."""
        if sent > self._cut:
            self._now, self._cut = max(1.0, self._now / 2), now
