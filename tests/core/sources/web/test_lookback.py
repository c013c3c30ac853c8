"""What a lookback gives again: what has changed, and nothing else."""

from __future__ import annotations

from typing import Any

from airflow_provider_spotify.core.testing.sources import read
from tests.core.sources.web.radio import NOW, radio
from tests.core.sources.web.radio_api import RadioApi


def test_a_record_that_changed_within_a_lookback_comes_again() -> None:
    """One further back, and those that are as they were, do not."""
    with RadioApi() as api:
        config: dict[str, Any] = {"channels": ["one"], "lookback": "30m"}
        last = read(radio(api, "all", clock=NOW, **config))[-1].cursor
        assert read(radio(api, "all", clock=NOW, **config), last) == []
        with api.lock:
            plays = sorted(api.plays["one"], key=lambda play: play["at"])
            for play in (plays[0], plays[-1]):
                play["title"] = "another title"
        again = read(radio(api, "all", **config), last)
        ids = [row for chunk in again for row in chunk.batch.column("id").to_pylist()]
        assert ids == [int(plays[-1]["id"])]
