"""DuckDB holds the suite for sinks, and what is special to a file."""

from __future__ import annotations

import multiprocessing
import os
import time
from datetime import timedelta
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any

import duckdb
import pytest

from airflow_provider_spotify.core.errors import (
    ConfigurationError,
    DataError,
    TransientError,
)
from airflow_provider_spotify.core.sinks.base import Sink
from airflow_provider_spotify.core.sinks.duckdb import DuckDBConfig, DuckDBSink
from airflow_provider_spotify.core.testing.loads import (
    batch,
    load,
    publish,
    report,
    rows_of,
    spec,
    write,
)
from airflow_provider_spotify.core.testing.sinks import SinkConformance


class TestDuckDB(SinkConformance):
    @pytest.fixture(autouse=True)
    def _place(self, tmp_path: Path) -> None:
        self.path = tmp_path / "warehouse" / "acme.duckdb"

    def make_sink(self) -> Sink[Any]:
        return DuckDBSink(DuckDBConfig(path=str(self.path), schema="acme"), tenant="acme")


class TestDuckDBThatOverflows(TestDuckDB):
    """The same with so little memory that every batch overflows into staging."""

    def make_sink(self) -> Sink[Any]:
        config = DuckDBConfig(path=str(self.path), buffer_bytes=1)
        return DuckDBSink(config, tenant="acme")


def _sink(folder: Path, **words: Any) -> DuckDBSink:
    return DuckDBSink(DuckDBConfig(path=str(folder / "w.duckdb"), **words), tenant="acme")


def _hold(path: str, opened: Event, enough: Event) -> None:
    with duckdb.connect(path):
        opened.set()
        enough.wait(60)


def test_waits_for_another_process_and_then_says_who(tmp_path: Path) -> None:
    """A file that another process keeps open ends in a TransientError that names the process."""
    context = multiprocessing.get_context("spawn")
    opened, enough = context.Event(), context.Event()
    path = str(tmp_path / "w.duckdb")
    holder = context.Process(target=_hold, args=(path, opened, enough), daemon=True)
    holder.start()
    try:
        assert opened.wait(60)
        with pytest.raises(TransientError, match=rf"still open.*PID {holder.pid}"):
            _sink(tmp_path, lock_timeout=timedelta(seconds=0.3)).cursor("plays")
    finally:
        enough.set()
        holder.join()
    load(_sink(tmp_path), spec(_sink(tmp_path)), [batch(id=[1])])
    assert rows_of(_sink(tmp_path), "plays") == [{"id": 1}]


def test_the_file_is_free_while_a_load_waits_for_its_source(tmp_path: Path) -> None:
    """Between flushes another process may write: the load does not keep the file open."""
    sink = _sink(tmp_path)
    with sink.begin(spec(sink)) as under_way:
        under_way.write(batch(id=[1]))
        command = (
            f"import duckdb; duckdb.connect({sink.config.path!r}).execute('CREATE TABLE t(a INT)')"
        )
        context = multiprocessing.get_context("spawn")
        other = context.Process(target=exec, args=(command,))
        other.start()
        other.join(60)
        assert other.exitcode == 0


def _count(path: str, ids: list[int]) -> None:
    sink = DuckDBSink(DuckDBConfig(path=path), tenant="acme")
    assert [row["id"] for row in rows_of(sink, "plays")] == ids


def _read_elsewhere(sink: DuckDBSink, ids: list[int]) -> None:
    """See in another process that the table holds these rows."""
    context = multiprocessing.get_context("spawn")
    other = context.Process(target=_count, args=(sink.config.path, ids))
    other.start()
    other.join(60)
    assert other.exitcode == 0


@pytest.mark.parametrize("mode", ["append", "merge"])
def test_others_read_what_a_stream_has_shown(tmp_path: Path, mode: str) -> None:
    """A stream that waits leaves the file to others soon after its last checkpoint."""
    sink = _sink(tmp_path)
    of = spec(sink, mode=mode, flowing=True)
    with sink.begin(of) as under_way:
        end = write(under_way, [batch(id=[n]) for n in range(3)], every=1)
        _read_elsewhere(sink, [0, 1, 2])
        under_way.write(batch(id=[3]))
        under_way.checkpoint(end._replace(rows=4))
        assert len(rows_of(sink, "plays")) == 4
        under_way.publish(end._replace(rows=4), report(of))
    _read_elsewhere(sink, [0, 1, 2, 3])


def test_a_stream_that_never_pauses_lets_others_in(tmp_path: Path) -> None:
    """However fast checkpoints follow each other, the file is closed about once a second."""
    sink = _sink(tmp_path)
    of = spec(sink, flowing=True)
    context = multiprocessing.get_context("spawn")
    with sink.begin(of) as under_way:
        end = write(under_way, [batch(id=[1])], every=1)
        other = context.Process(target=_wait_for_rows, args=(sink.config.path,))
        other.start()
        deadline = time.monotonic() + 240
        while other.is_alive() and time.monotonic() < deadline:
            under_way.write(batch(id=[1]))
            under_way.checkpoint(end)
            time.sleep(0.02)
        other.join(60)
        assert other.exitcode == 0


def _wait_for_rows(path: str) -> None:
    assert rows_of(DuckDBSink(DuckDBConfig(path=path), tenant="acme"), "plays")


def test_published_parts_leave_no_tables(tmp_path: Path) -> None:
    """What parts had staged is gone, and so is what a run that was given up had."""
    sink = _sink(tmp_path, buffer_bytes=1)
    load(sink, spec(sink, run="given up", part=(1, 2)), [batch(id=[1])])
    for number in (1, 2):
        load(sink, spec(sink, part=(number, 2)), [batch(id=[number])])
    publish(sink, spec(sink, parts=2))
    tables = sink.query("SELECT table_name FROM information_schema.tables ORDER BY 1")
    assert tables.column(0).to_pylist() == ["_imports", "plays"]


def test_the_lock_names_its_holder(tmp_path: Path) -> None:
    """Beginning a load that is under way says which process loads."""
    sink = _sink(tmp_path)
    with (
        sink.begin(spec(sink)),
        pytest.raises(TransientError, match=f"process {os.getpid()}"),
    ):
        sink.begin(spec(sink, run="two"))


def test_nested_values_are_native(tmp_path: Path) -> None:
    """A struct is a STRUCT, which grows fields, and a list a list."""
    sink = _sink(tmp_path)
    load(sink, spec(sink), [batch(s=[{"a": 1}], l=[[1]])])
    load(sink, spec(sink, run="2"), [batch(s=[{"a": 0}]), batch(s=[{"a": 2, "b": "x"}], l=[[2]])])
    assert sink.query("SELECT s.a, s.b, l[1] AS l FROM plays ORDER BY 1").to_pylist() == [
        {"a": 1, "b": None, "l": 1},
        {"a": 2, "b": "x", "l": 2},
    ]


def test_names_that_differ_in_case_are_one(tmp_path: Path) -> None:
    """DuckDB folds case: the column is found again, and two such columns are an error."""
    sink = _sink(tmp_path)
    load(sink, spec(sink), [batch(Id=[1])])
    load(sink, spec(sink, run="2"), [batch(id=[0]), batch(id=[2])])
    assert rows_of(sink, "plays") == [{"Id": 1}, {"Id": 2}]
    with pytest.raises(DataError, match="'Id' and 'id'"):
        load(sink, spec(sink, run="3"), [batch(id=[0])] * 2 + [batch(Id=[1], id=[2])])


def test_a_text_with_a_nul_is_stored(tmp_path: Path) -> None:
    """DuckDB can hold the character NUL, so nothing is rejected."""
    sink = _sink(tmp_path)
    load(sink, spec(sink), [batch(said=["a\0b"])])
    assert rows_of(sink, "plays") == [{"said": "a\0b"}]


def test_a_query_before_the_first_load(tmp_path: Path) -> None:
    """Asking an absent database says so, and creates none."""
    with pytest.raises(ConfigurationError, match="nothing was imported yet"):
        _sink(tmp_path).query("SELECT 1")
    assert not list(tmp_path.iterdir())


def test_a_wrong_query_says_what_is_wrong(tmp_path: Path) -> None:
    """An error of the query carries the database's own words."""
    sink = _sink(tmp_path)
    load(sink, spec(sink), [batch(id=[1])])
    with pytest.raises(ConfigurationError, match="nope"):
        sink.query("SELECT nope FROM plays")


def test_check_reports_a_place_that_cannot_be(tmp_path: Path) -> None:
    """A path that is no database is reported, not raised."""
    (tmp_path / "w.duckdb").write_text("this is not a database " * 100)
    health = _sink(tmp_path).check()
    assert not health.ok
    assert "w.duckdb" in health.message


def test_a_full_buffer_asks_for_a_checkpoint(tmp_path: Path) -> None:
    """Half full is full; a checkpoint empties it."""
    sink = _sink(tmp_path, buffer_bytes=1000)
    with sink.begin(spec(sink)) as under_way:
        under_way.write(batch(id=[1]))
        assert not under_way.full
        under_way.write(batch(id=list(range(80))))
        assert under_way.full
        under_way.checkpoint(write(under_way, []))
        assert not under_way.full


def test_relative_paths_start_from_the_root(tmp_path: Path, monkeypatch: Any) -> None:
    """A YAML's path is the same file wherever the worker was started."""
    monkeypatch.setenv("SPOTIFY_IMPORTS_ROOT", str(tmp_path))
    sink = DuckDBSink(DuckDBConfig(path="deep/er/w.duckdb"), tenant="acme")
    load(sink, spec(sink), [batch(id=[1])])
    assert (tmp_path / "deep" / "er" / "w.duckdb").exists()
    assert sink.dataset("plays") == (f"duckdb://{tmp_path}/deep/er/w.duckdb", "w.main.plays")
