"""What a lookback gives again: what has changed, and nothing else; and where there is none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from airflow_provider_spotify.cli import main
from airflow_provider_spotify.core.testing.sources import read
from tests.core.config.tenants import messages, write, yaml
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


POSTS = "{type: twitter, connection: acme__x, resource: user_posts, ids: ['12']%s}"
ORDERS = (
    "{type: graphql, connection: acme__shop, resource: orders, records: orders, lookback: 2d,"
    " query: 'query($a: Int) { orders(after: $a) { n at } }', incremental: {variable: a, %s}}"
)


def imported(source: str) -> str:
    """Return the YAML of a tenant that merges what a source gives."""
    write = "{mode: merge, key: [id]}"
    return yaml(f"  plays:\n    source: {source}\n    write: {write}\n")


@pytest.mark.parametrize(
    ("source", "resource", "field"),
    [
        (POSTS % ", lookback: 2d", "user_posts", "id"),
        (ORDERS % "field: n, format: value", "orders", "n"),
    ],
)
def test_a_resource_that_goes_on_by_a_number_takes_no_lookback(
    source: str, resource: str, field: str
) -> None:
    """It is told where the YAML is read: which resource, why, and what to do."""
    (said,) = messages(imported(source))
    assert "imports.plays.source" in said
    assert f"lookback: {resource} goes on by the number in {field!r}" in said
    assert "take lookback away" in said


FOLLOWERS = "{type: twitter, connection: acme__x, resource: followers, ids: ['12']%s}"


@pytest.mark.parametrize(
    ("source", "said", "remedy"),
    [
        (FOLLOWERS % ", lookback: 2d", "lookback: followers has no order", "write refresh"),
        (POSTS % ", refresh: 2d", "refresh: user_posts is never read as a whole", "write lookback"),
    ],
)
def test_a_key_that_would_do_nothing_is_refused(source: str, said: str, remedy: str) -> None:
    """What has no order of time is refreshed; what has one goes back."""
    (message,) = messages(imported(source))
    assert said in message
    assert remedy in message


def test_what_is_read_as_a_whole_is_refreshed() -> None:
    """That key is its own."""
    assert messages(imported(FOLLOWERS % ", refresh: 2d")) == []


@pytest.mark.parametrize(
    "source",
    [
        POSTS % "",
        POSTS % ", lookback: 0s",
        ORDERS % "field: at",
        "{type: twitter, connection: acme__x, resource: counts_recent_by_day, queries: [a],"
        " lookback: 2d}",
    ],
)
def test_what_goes_on_by_time_takes_one(source: str) -> None:
    """So does a resource of the same source, and one that looks back by nothing."""
    assert messages(imported(source)) == []


def test_validate_prints_that_a_lookback_has_no_time_to_go_by(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the file and the line, as any other mistake."""
    folder = write(tmp_path, acme=imported(POSTS % ", lookback: 2d"))
    assert main(["validate", str(folder)]) != 0
    said = capsys.readouterr().out
    assert "acme.yaml:7:" in said
    assert "lookback: user_posts goes on by the number in 'id'" in said


def test_a_source_of_python_is_told_the_same() -> None:
    """Where no YAML is read, its keys are refused as well."""
    said = "by_id goes on by the number in 'id'"
    with RadioApi(plays=0) as api, pytest.raises(ValidationError, match=said):
        radio(api, "by_id", lookback="1h")
