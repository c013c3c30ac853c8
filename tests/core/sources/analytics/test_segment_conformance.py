"""The segment source as every source must be, once for each kind of progress."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from airflow_provider_spotify.core.model import Credentials
from airflow_provider_spotify.core.sources.analytics._segment_config import SegmentConfig
from airflow_provider_spotify.core.sources.analytics.segment import SegmentSource
from airflow_provider_spotify.core.testing.sources import SourceConformance
from tests.services.object_store import check_who_asks, client, s3
from tests.services.segment_api.logs import DAY, SOURCE, messages, name_of, packed
from tests.services.segment_api.server import PUBLIC, SPACE, TOKEN, USERS, SegmentApi

__all__ = ["s3"]
END = "2026-11-20T00:00:00Z"


class TestEvents(SourceConformance):
    """Files of a bucket."""

    expected_rows = 240

    @pytest.fixture(autouse=True)
    def _fill(self, s3: Credentials, request: pytest.FixtureRequest) -> Iterator[None]:
        self.credentials = s3
        self.prefix = f"{abs(hash(request.node.name)):x}"
        self.store = client(s3)
        self.files = 0
        self.end = datetime(2026, 11, 20, tzinfo=UTC)
        for day in (DAY, DAY + timedelta(days=1)):
            for _ in range(3):
                self._file(40, day)
        yield
        check_who_asks(s3, after="inf")

    def _file(self, count: int, day: datetime) -> None:
        self.files += 1
        data = packed(messages(count, day=day, first=self.files * 1000))
        name = name_of(day, f"f{self.files}")
        self.store.put_object(Bucket="acme", Key=f"{self.prefix}/{name}", Body=data)

    def make_source(self) -> SegmentSource:
        config = SegmentConfig(
            resource="events",
            path=f"s3://acme/{self.prefix}",
            sources=(SOURCE,),
            start=datetime(2026, 11, 17, tzinfo=UTC),
            end=self.end,
            batch_size=15,
        )
        return SegmentSource(config, credentials=self.credentials)

    def make_empty(self) -> SegmentSource:
        config = SegmentConfig(resource="events", path="s3://acme/nothing", sources=(SOURCE,))
        return SegmentSource(config, credentials=self.credentials)

    def make_bad_credentials(self) -> SegmentSource:
        check_who_asks(self.credentials, after="0")
        wrong = {"login": "AKIAWRONG", "password": SecretStr("wrong-secret-9f31")}
        credentials = self.credentials.model_copy(update=wrong)
        return SegmentSource(self.make_source().config, credentials=credentials)

    def add_more(self) -> int:
        self.end += timedelta(days=1)
        self._file(25, DAY)  # late: its day is over
        self._file(5, DAY + timedelta(days=2))
        return 30


class _Apis(SourceConformance):
    """What the suites of the two APIs share."""

    @pytest.fixture(autouse=True)
    def _serve(self) -> Iterator[None]:
        with SegmentApi() as self.api:
            yield

    def source(self, token: str, **config: Any) -> SegmentSource:
        given = {"api_url": self.api.url, "batch_size": 15, "end": END, "space": SPACE, **config}
        return SegmentSource(
            SegmentConfig(**given), credentials=Credentials(password=SecretStr(token))
        )


class TestProfileTraits(_Apis):
    """Profiles that are read as a whole."""

    expected_rows = 450 * len(USERS)

    def make_source(self) -> SegmentSource:
        return self.source(TOKEN, resource="profile_traits", profiles=USERS)

    def make_bad_credentials(self) -> SegmentSource:
        return self.source("wrong-token-77", resource="profile_traits", profiles=USERS)


class TestProfileEvents(_Apis):
    """Events of profiles, newest first."""

    expected_rows = 130 * len(USERS)

    def make_source(self) -> SegmentSource:
        self.end = getattr(self, "end", datetime(2026, 11, 20, tzinfo=UTC))
        return self.source(TOKEN, resource="profile_events", profiles=USERS, end=self.end)

    def add_more(self) -> int:
        self.end += timedelta(days=1)
        return self.api.add(USERS[0], 7)


class TestTrackingPlanRules(_Apis):
    """Lists of the Public API."""

    expected_rows = 3 * 450

    def make_source(self) -> SegmentSource:
        return self.source(PUBLIC, resource="tracking_plan_rules", plans=["tp_0", "tp_1", "tp_2"])

    def make_bad_credentials(self) -> SegmentSource:
        return self.source("wrong-token-78", resource="tracking_plan_rules", plans=["tp_0"])


def test_the_places_are_those_that_segment_writes(tmp_path: Path) -> None:
    """A file of 18 November 2026 stands in the folder of that midnight's milliseconds."""
    assert name_of(DAY, "x") == f"segment-logs/{SOURCE}/1794960000000/x.gz"
