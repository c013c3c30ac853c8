"""Whatever happens to a listing while it is read, each row comes once: played at random."""

from __future__ import annotations

import asyncio
import json
import os
import random
from collections import Counter
from collections.abc import Iterator
from contextlib import aclosing
from datetime import timedelta
from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from airflow_provider_spotify.core.errors import ImporterError
from airflow_provider_spotify.core.model import Chunk, Cursor
from airflow_provider_spotify.core.usage import UNLIMITED, Budget, Usage
from tests.core.sources.web.journal import LISTINGS, PAGES, JournalSource, journal
from tests.core.sources.web.journal_api import JournalApi

EXAMPLES = int(os.environ.get("SPOTIFY_IMPORTS_EXAMPLES", "150"))
MOST = 400
"""Entries; a listing that is read whole while it grows grows threefold with each run."""
COUNTED = ("offset", "blind", "page", "pages")
TELLING = ("offset", "page")
"""Counted pages whose body holds the number of all rows, so that rows that go are noticed."""


class Play(NamedTuple):
    """One story: what is listed, how it is read, and what happens to it.

    :param seed: of all that happens
    :param changes: kinds of changes that may happen between two pages
    """

    listing: str
    style: str
    seed: int
    rows: int
    disturbed: int
    concurrency: int
    batch_size: int
    changes: frozenset[str]

    @property
    def allowed(self) -> frozenset[str]:
        """The changes under which the kit keeps its promise: see ``Resource``."""
        changes = self.changes
        if self.style in COUNTED:
            changes -= {"expire"}
            if self.style not in TELLING:
                changes -= {"erase"}
            if "erase" in changes:
                changes -= {"late"}
        return changes


PLAYS = st.builds(
    Play,
    listing=st.sampled_from(sorted(LISTINGS)),
    style=st.sampled_from(sorted(PAGES)),
    seed=st.integers(0, 2**32),
    rows=st.sampled_from([0, 1, 6, 7, 8, 20, 40, 70]),
    disturbed=st.integers(0, 6),
    concurrency=st.integers(1, 4),
    batch_size=st.sampled_from([1, 5, 10, 30]),
    changes=st.frozensets(st.sampled_from(["write", "late", "erase", "expire"])),
)


@pytest.fixture(scope="module")
def api() -> Iterator[JournalApi]:
    """Run the API for all examples."""
    with JournalApi() as api:
        yield api


class Story:
    """Plays one story, and keeps what was given and what ever was there."""

    def __init__(self, api: JournalApi, play: Play) -> None:
        self.api, self.play = api, play
        self.dice = random.Random(play.seed)
        # A page of nothing but null has no last record to go on from: that is an error.
        api.begin(self.dice, holes=play.style != "last")
        api.write(play.rows, odd=True)
        api.cap = self.dice.choice((7, 7, 3))
        api.gaps = self.dice.choice((0.0, 0.3))
        self.first = {e.id for e in api.entries if not e.hole}
        self.late: set[int] = set()
        self.got: Counter[int] = Counter()
        self.cursor: Cursor | None = None
        self.rereads: str | None = None

    def happens(self) -> None:
        """Change the journal before an answer, or not."""
        if not self.play.allowed or self.dice.random() > 0.3:
            return
        what = self.dice.choice(sorted(self.play.allowed))
        if what == "write" and self.api.number < MOST:
            self.api.write(self.dice.randint(1, 12), odd=True)
        elif what == "late":
            self.api.write_late()
            self.late.add(self.api.number)
        elif what == "erase":
            self.api.erase()
        elif what == "expire":
            self.api.generation += 1

    def source(self, budget: Budget) -> JournalSource:
        """Return the source of the next run."""
        early = 0 if self.play.listing == "spans" else self.dice.choice((0, 0, 4000))
        source = journal(
            self.api.url,
            f"{self.play.listing}_{self.play.style}",
            moment=self.api.clock + timedelta(seconds=early),
            concurrency=self.play.concurrency,
            batch_size=self.play.batch_size,
        )
        source.usage = Usage(budget=budget)
        self.rereads = source.rereads()
        return source

    def run(self, *, budget: Budget = UNLIMITED, limit: int | None = None) -> ImporterError | None:
        """Read to the end, an error, or so many chunks."""
        chunks: list[Chunk] = []
        failure: list[ImporterError] = []

        async def collect() -> None:
            async with aclosing(self.source(budget).read(self.cursor)) as stream:  # type: ignore[type-var]
                try:
                    async for chunk in stream:
                        chunks.append(chunk)
                        if len(chunks) == limit:
                            return
                except ImporterError as error:
                    failure.append(error)

        asyncio.run(collect())
        ids = [n for chunk in chunks for n in chunk.batch.column("id").to_pylist()]
        assert all(chunk.rejected is None for chunk in chunks)
        self.got.update(ids)
        if chunks:
            self.cursor = json.loads(json.dumps(chunks[-1].cursor, allow_nan=False))
        note(f"run {limit=} {budget=} -> {ids} {failure} {self.cursor}")
        return failure[0] if failure else None

    def disturb(self) -> None:
        """Run some times while things happen, and be interrupted."""
        self.api.happens = self.happens
        for _ in range(self.play.disturbed):
            budget = self.dice.choice(
                (UNLIMITED, UNLIMITED, Budget(requests=self.dice.randint(1, 6)), Budget(records=20))
            )
            self.run(budget=budget, limit=self.dice.choice((None, 1, 1, 2, 5)))
            # A request that the run left under way may be answered now, and move the clock too.
            with self.api.lock:
                self.api.clock += timedelta(seconds=self.dice.choice((0, 1, 3600)))
        with self.api.lock:
            self.api.happens = lambda: None

    def settle(self) -> None:
        """Run until nothing is left, at a time when all is past."""
        self.api.clock += timedelta(days=1)
        quiet = 0
        for _ in range(6):
            before = self.got.total()
            error = self.run()
            assert error is None, error
            # The first quiet run may have been the rest of a pass that had begun long before.
            quiet = quiet + 1 if self.got.total() == before else 0
            if quiet == 2:
                return
        assert self.rereads, "it never comes to an end"


@given(PLAYS)
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_each_row_comes_once(api: JournalApi, play: Play) -> None:
    """Rows that stay and rows that are added come once, or again where the source says why."""
    story = Story(api, play)
    story.disturb()
    story.settle()
    stayed = {e.id for e in api.entries if not e.hole}
    ever = set(range(1, api.number + 1))
    due = stayed - story.late
    if play.listing in ("once",):
        due &= story.first
    if play.listing in ("late", "by_id", "after_id", "whole"):
        due = stayed
    if play.listing in ("bounded", "since", "late", "spans"):
        due -= {e.id for e in api.entries if e.timeless}
    missing = sorted(due - set(story.got))
    twice = sorted(n for n, times in story.got.items() if times > 1)
    note(f"{len(due)} due, missing {missing}, twice {twice}, entries {api.entries}")
    assert not missing, f"missing {missing}"
    assert set(story.got) <= ever
    assert story.rereads or not twice, f"twice {twice}"
