"""The cursor of files: what counts as read, however many there were."""

from __future__ import annotations

import asyncio
import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from airflow_provider_spotify.core.clients.file_log import REMEMBERED, FileLog
from airflow_provider_spotify.core.clients.files import File
from airflow_provider_spotify.core.errors import ConfigurationError
from airflow_provider_spotify.core.model import Cursor, Window
from airflow_provider_spotify.core.sources.files.csv import CsvConfig, CsvSource
from airflow_provider_spotify.core.testing.sources import read


def at(number: int, *, arrived: float | None = None, size: int = 1) -> File:
    return File(f"/in/{number:06}.csv", size, number, number if arrived is None else arrived)


def after(files: list[File], since: Cursor | None = None) -> Cursor:
    log = FileLog.resume(since)
    cursor: Cursor = {}
    for file in log.pending(files, on_change="read_again"):
        cursor = log.finished(file)
    return json.loads(json.dumps(cursor))


def pending(files: list[File], since: Cursor | None, on_change: str = "read_again") -> list[str]:
    log = FileLog.resume(since)
    return [file.path for file in log.pending(files, on_change=on_change)]  # type: ignore[arg-type]


def test_the_cursor_stays_short() -> None:
    """Ten thousand files leave a cursor of a few hundred entries, and none is read again."""
    files = [at(n) for n in range(10_000)]
    cursor = after(files)
    assert len(json.dumps(cursor)) < 40_000
    assert len(cursor["done"]) == REMEMBERED
    assert pending(files, cursor) == []
    assert pending([*files, at(10_000)], cursor) == [at(10_000).path]


def test_files_that_arrived_together_are_all_read() -> None:
    """More files of one second than the cursor remembers, read in two goes, are each read once."""
    files = [at(n, arrived=7.0) for n in range(REMEMBERED * 3)]
    log = FileLog.resume(None)
    cursor: Cursor = {}
    for file in log.pending(files, on_change="read_again")[: REMEMBERED * 2]:
        cursor = log.finished(file)
    assert len(pending(files, cursor)) == REMEMBERED


def test_late_files_are_read() -> None:
    """A file that arrives after newer ones were read is new, whatever its own date."""
    cursor = after([at(n) for n in range(2000)])
    assert pending([at(5, arrived=2000.5)], cursor) == [at(5).path]
    cursor = after([at(5), at(9)])
    assert pending([at(5), at(9), at(7)], cursor) == [at(7).path]


def test_changed_files() -> None:
    """A changed file is read again, or not, as the import says."""
    cursor = after([at(1), at(2)])
    changed = [at(1), at(2, size=5)]
    assert pending(changed, cursor) == [at(2).path]
    assert pending(changed, cursor, "ignore") == []


def test_a_begun_file_comes_first_and_goes_on() -> None:
    """The file that was being read goes on where it was, before any other."""
    log = FileLog.resume(None)
    cursor = json.loads(json.dumps(log.reading(at(5), [10, 2])))
    again = FileLog.resume(cursor)
    files = again.pending([at(1), at(5)], on_change="read_again")
    assert [file.path for file in files] == [at(5).path, at(1).path]
    assert again.start(at(5)) == [10, 2]
    assert again.start(at(5, size=9)) is None, "it changed: from its start"


def test_a_foreign_cursor_is_refused() -> None:
    """The cursor of another source says what to do."""
    with pytest.raises(ConfigurationError, match="full refresh"):
        FileLog.resume({"offset": 5})


def test_windows_go_by_modification_time(tmp_path: Path) -> None:
    """A window gives the files modified in it, start included and end excluded, cursor aside."""
    noon = datetime(2026, 1, 1, 12, tzinfo=UTC)
    for hours in range(4):
        path = tmp_path / f"{hours}.csv"
        path.write_text(f"id\n{hours}\n")
        seconds = (noon + timedelta(hours=hours)).timestamp()
        os.utime(path, (seconds, seconds))
    source = CsvSource(CsvConfig(path=f"{tmp_path}/*.csv"))
    everything = read(source)[-1].cursor
    window = Window(start=noon + timedelta(hours=1), end=noon + timedelta(hours=3))

    async def ids() -> list[str]:
        stream = source.read(everything, window)
        return [row["id"] async for chunk in stream for row in chunk.batch.to_pylist()]

    assert asyncio.run(ids()) == ["1", "2"]
    assert asyncio.run(source.is_ready(everything, window)) is True
    later = Window(start=noon + timedelta(days=1), end=noon + timedelta(days=2))
    assert asyncio.run(source.is_ready(None, later)) is False


def test_a_file_that_grows_is_read_from_its_start(tmp_path: Path) -> None:
    """A file that changed after it was read gives all its rows again."""
    path = tmp_path / "a.csv"
    path.write_text("id\n1\n")
    source = CsvSource(CsvConfig(path=str(path)))
    cursor = read(source)[-1].cursor
    path.write_text("id\n1\n2\n")
    assert sum(chunk.batch.num_rows for chunk in read(source, cursor)) == 2
    kept = CsvSource(CsvConfig(path=str(path), on_change="ignore"))
    assert read(kept, cursor) == []


def test_joined_logs_know_every_file_and_stay_short() -> None:
    """Logs that went on apart become one: nothing of either is pending, a later file is."""
    files = [at(n, arrived=float(n)) for n in range(REMEMBERED * 2)]
    cursors = []
    for half in (files[::2], files[1::2]):
        log = FileLog()
        for file in half:
            cursor = log.finished(file)
        cursors.append(cursor)
    joined = FileLog.joined(cursors)
    assert len(joined["done"]) == REMEMBERED
    later = at(REMEMBERED * 2, arrived=float(REMEMBERED * 2))
    assert pending([*files, later], joined) == [later.path]
