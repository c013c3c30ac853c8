"""The rate that refusals teach, the allowance that answers name, and the width that follows."""

from __future__ import annotations

import heapq
import math
import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from airflow_provider_spotify.core.clients.http.pace import (
    FEWEST,
    Allowance,
    Learned,
    Pace,
    Width,
    learned,
)


@dataclass
class World:
    """Workers that ask an API as fast as a pace lets them, on a clock of its own.

    The API holds ``count`` requests in any ``window`` seconds, and counts no refused one.

    :param rounded: it asks to wait whole seconds, as Retry-After is written
    :param slow: the way there takes so much longer, in every other window
    :param tells: the pace is told of answers
    """

    count: int
    window: float
    rounded: bool = True
    workers: int = 16
    learns: bool = True
    slow: float = 0.0
    tells: bool = True
    pace: Pace = field(default_factory=Pace)
    good: list[float] = field(default_factory=list)
    refused: list[float] = field(default_factory=list)
    _recent: deque[float] = field(default_factory=deque)
    _events: list[tuple[float, int, Callable[[float], None]]] = field(default_factory=list)
    _paused: float = 0.0
    _chance: random.Random = field(default_factory=lambda: random.Random(4))

    def run(self, seconds: float) -> None:
        """Let all workers ask until the clock shows so many seconds."""
        for _ in range(self.workers):
            self._at(0.0, self._ask)
        while self._events and self._events[0][0] < seconds:
            now, _, event = heapq.heappop(self._events)
            event(now)

    def _at(self, moment: float, event: Callable[[float], None]) -> None:
        heapq.heappush(self._events, (moment, self._chance.getrandbits(60), event))

    def _ask(self, now: float) -> None:
        if now < self._paused:
            self._at(self._paused + 0.001, self._ask)
        elif wait := self.pace.take(now):
            self._at(now + wait, self._ask)
        else:
            way = self._chance.uniform(0.02, 0.03)
            way += self.slow * (int(now / self.window) % 2)
            self._at(now + way, lambda there: self._answer(now, there))

    def _answer(self, sent: float, now: float) -> None:
        while self._recent and self._recent[0] <= now - self.window:
            self._recent.popleft()
        back = now + self._chance.uniform(0.02, 0.03)
        if len(self._recent) < self.count:
            self._recent.append(now)
            self.good.append(now)
            self._at(back, lambda heard: self._good(sent, heard))
            return
        wait = self._recent[0] + self.window - now
        self.refused.append(now)
        asked = float(max(1, math.ceil(wait))) if self.rounded else wait
        self._at(back, lambda heard: self._refuse(sent, heard, asked))

    def _good(self, sent: float, now: float) -> None:
        if self.tells:
            self.pace.answered(sent, now)
        self._ask(now)

    def _refuse(self, sent: float, now: float, asked: float) -> None:
        self._paused = max(self._paused, now + asked)
        if self.learns:
            self.pace.refuse(sent, asked)
        self._at(self._paused, self._ask)


@pytest.mark.parametrize(
    ("count", "window", "rounded"),
    [
        (180, 30.0, True),
        (180, 30.0, False),
        (900, 60.0, True),
        (60, 5.0, True),
        (3000, 900.0, True),
    ],
)
def test_one_round_of_refusals_teaches_a_rate_that_is_then_used_and_kept(
    count: int, window: float, rounded: bool
) -> None:
    """After the requests under way at the first 429 none is refused; 95 % of the rate is used."""
    world = World(count, window, rounded)
    world.run(window * 8)
    first = world.refused[0]
    assert len(world.refused) <= world.workers
    assert max(world.refused) - first < 1
    since = [moment for moment in world.good if moment > max(world.refused)]
    spans = 6
    used = sum(moment <= since[0] + spans * window for moment in since)
    assert 0.95 <= used / (spans * count) <= 1.0


@pytest.mark.parametrize("tells", [True, False])
def test_a_way_that_is_slow_at_times_brings_no_refusal(tells: bool) -> None:
    """Where answers are not told of, requests that were slow and then fast come too close."""
    world = World(180, 30.0, slow=0.6, tells=tells)
    world.run(30.0 * 8)
    later = [moment for moment in world.refused if moment > world.refused[0] + 1]
    assert bool(later) != tells


def test_without_a_pace_the_same_api_refuses_in_every_window() -> None:
    """The refusals that the pace avoids are real: nobody learns, and each window has some."""
    world = World(180, 30.0, learns=False)
    world.run(240)
    assert len({int(moment // 31) for moment in world.refused}) >= 5


def test_a_trickle_before_the_rush_is_not_taken_for_the_window() -> None:
    """The window began after the last silence that was as long as the wait; older ones are out."""
    before = [0.0, 40.0, 80.0]
    rush = [200 + 0.05 * i for i in range(180)]
    found = learned([*before, *rush], refused=209.0, wait=21.0)
    assert found is not None
    assert (found.count, found.per) == (180, 30.0)


def test_a_refusal_after_a_few_requests_teaches_nothing() -> None:
    """Somebody else may have used the rate up; too low a rate would hold for long."""
    assert learned([float(i) for i in range(FEWEST - 1)], refused=20.0, wait=5.0) is None
    assert learned([float(i) for i in range(100)], refused=100.0, wait=0.0) is None


def test_a_second_refusal_lowers_what_was_learned() -> None:
    """What was too much once is not tried again: fewer requests, or a longer window."""
    before = Learned(100, 10.0, since=0.0)
    slow = [50 + 0.1 * i for i in range(60)]
    fewer = learned(slow, refused=56.0, wait=5.0, before=before)
    assert fewer is not None
    assert (fewer.count, fewer.per) == (60, 10.0)
    full = [50 + 0.1 * i for i in range(97)]
    longer = learned(full, refused=60.05, wait=1.0, before=before)
    assert longer is not None
    assert longer.count == 100
    assert longer.per == pytest.approx(11.05)


def test_a_rate_that_was_kept_and_needed_for_long_is_tried_a_little_higher() -> None:
    """An API that allows more than it did is found out, three per cent at a time."""
    rate = Learned(100, 10.0, since=0.0)
    busy = [1000 - 9.9 + 0.1 * i for i in range(97)]
    assert rate.probed(busy, 1000.0).count == pytest.approx(103)
    assert rate.probed(busy, 250.0) is rate
    assert rate.probed(busy[:50], 1000.0) is rate


def test_an_allowance_holds_back_what_it_does_not_cover() -> None:
    """Requests under way may be in the figure or not, so they are taken off it."""
    allowance = Allowance()
    assert allowance.wait(0.0) == 0.0
    for _ in range(3):
        allowance.sent()
    allowance.answered()
    allowance.told(3, 10.0, now=100.0)
    assert allowance.wait(100.0) == 0.0
    allowance.sent()
    assert 0 < allowance.wait(100.0) <= 0.05, "an answer under way may tell more"
    for _ in range(3):
        allowance.answered()
    allowance.told(2, 9.0, now=101.0)
    assert allowance.wait(101.0) == 0.0
    allowance.told(0, 9.0, now=101.0)
    assert allowance.wait(101.0) == pytest.approx(9.0)
    assert allowance.wait(110.1) == 0.0


def test_an_answer_that_was_overtaken_does_not_raise_the_allowance() -> None:
    """Of two answers about one period the lower figure is the later one."""
    allowance = Allowance()
    allowance.sent()
    allowance.sent()
    allowance.answered()
    allowance.told(0, 10.0, now=0.0)
    allowance.answered()
    allowance.told(1, 10.0, now=0.1)
    assert allowance.wait(0.2) > 9
    allowance.told(50, 10.0, now=60.0)
    assert allowance.wait(60.0) == 0.0


def test_the_width_is_halved_once_a_round_trip_and_grows_back_one_a_round() -> None:
    """Sixteen requests that are refused together are one piece of news, not sixteen."""
    width = Width(16)
    for _ in range(16):
        width.shrink(sent=1.0, now=2.0)
    assert int(width) == 8
    width.shrink(sent=2.5, now=3.0)
    assert int(width) == 4
    for _ in range(5):
        width.grow()
    assert int(width) == 5
    for _ in range(1000):
        width.grow()
    assert int(width) == 16
    for sent in range(10, 20):
        width.shrink(sent=sent, now=sent + 0.5)
    assert int(width) == 1
