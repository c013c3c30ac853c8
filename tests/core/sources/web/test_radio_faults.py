"""Listings of each kind of progress when the API is slow, broken or refuses, and changes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import ClassVar, NamedTuple

import pytest

from airflow_provider_spotify.core.testing.web_faults import WebFaults
from tests.core.sources.web.radio import NOW, RadioSource, radio
from tests.core.sources.web.radio_api import RadioApi


class Behind(NamedTuple):
    """Where the API is: behind a proxy."""

    url: str


class _OnRadio(WebFaults):
    resource = ""
    identity = ("id",)

    @pytest.fixture(autouse=True)
    def _serve(self) -> Iterator[None]:
        with RadioApi(plays=60) as self.server:
            with self.server.lock:
                del self.server.logged[60:]
            yield

    def upstream(self) -> str:
        return self.server.url

    def make_source(self, url: str) -> RadioSource:
        return radio(
            Behind(url),
            self.resource,
            clock=NOW,
            channels=["one"],
            timeout="3s",
            retry_attempts=2,
            concurrency=2,
        )


class TestUnbounded(_OnRadio):
    """A listing by token, newest first, that takes no bounds."""

    resource = "all"
    data = r"^/all"

    def insert(self) -> bool:
        self.server.play("one", 1)
        return True

    def delete(self) -> bool:
        with self.server.lock:
            del self.server.plays["one"][2]
        return True


class TestSpans(_OnRadio):
    """Spans of a log, each with pages of its own."""

    resource = "log"
    data = r"^/log"
    excused: ClassVar[Mapping[str, str]] = {
        "duplicate": "a span's last page has one line here; given in place of the first page of the"
        " next span, nothing tells it from that, for an API may count hours otherwise than we do",
    }

    def delete(self) -> bool:
        with self.server.lock:
            del self.server.logged[1]
        return True
