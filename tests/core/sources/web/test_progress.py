"""Each kind of progress keeps the contract of every source."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest

from airflow_provider_spotify.core.sources.web.progress import mark_name
from airflow_provider_spotify.core.testing.sources import SourceConformance, read, rows_of
from tests.core.sources.web.radio import BEGIN, LATER, NOW, RadioSource, radio
from tests.core.sources.web.radio_api import RadioApi

WRONG = "wrong-token-of-nobody-7a11"


class _OnRadio(SourceConformance):
    resource = ""
    api: RadioApi

    @pytest.fixture(autouse=True)
    def _start(self) -> Iterator[None]:
        with RadioApi() as self.api:
            yield

    def make_source(self) -> RadioSource:
        return radio(self.api, self.resource)

    def make_bad_credentials(self) -> RadioSource:
        return radio(self.api, self.resource, token=WRONG)

    def make_empty(self) -> RadioSource:
        with self.api.lock:
            for rows in (*self.api.plays.values(), self.api.logged):
                rows.clear()
        return self.make_source()

    def add_more(self) -> int:
        self.api.play("one", 7)
        return 7


class TestNewestByTime(_OnRadio):
    """A listing that takes bounds of time."""

    resource = "plays"
    expected_rows = 180


class TestNewestWithoutBounds(_OnRadio):
    """A listing that is read until it comes to what is known."""

    resource = "all"
    expected_rows = 180


class TestNewestByNumber(_OnRadio):
    """A listing whose rows are told apart by a rising number."""

    resource = "by_id"
    expected_rows = 180


class TestSpans(_OnRadio):
    """A log that is read span by span; time goes on when more is added."""

    resource = "log"
    expected_rows = 200

    def make_source(self) -> RadioSource:
        return radio(self.api, self.resource, clock=self.clock)

    @pytest.fixture(autouse=True)
    def _stand_still(self) -> None:
        self.clock = NOW

    def add_more(self) -> int:
        self.clock = LATER
        self.api.log(BEGIN + timedelta(hours=60), 8)
        return 8


class TestWhole(_OnRadio):
    """Short listings that are read again when they are due."""

    resource = "chart"
    expected_rows = 6

    def make_source(self) -> RadioSource:
        return radio(self.api, self.resource, batch_size=1)

    def test_new_data_comes_alone(self) -> None:
        """A listing that is due again comes as a whole, and alone."""
        marks = read(self.make_source())[-1].cursor["marks"]
        one = mark_name("one")
        earlier = datetime.fromisoformat(marks[one]["read"]) - timedelta(hours=2)
        since = {"marks": {**marks, one: {"read": earlier.isoformat()}}}
        assert asyncio.run(self.make_source().is_ready(since)) is True
        assert rows_of(read(self.make_source(), since)) == rows_of(
            read(radio(self.api, "chart", channels=["one"]))
        )

    def add_more(self) -> int:
        """Add nothing: no listing is due before its time."""
        return 0
