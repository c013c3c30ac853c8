"""The Delta sink: the conformance suite on a local folder, a part of it on S3, its commits."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from threading import Barrier, Lock
from typing import Any
from uuid import uuid4

import pytest
from deltalake import CommitProperties, Transaction, write_deltalake
from deltalake.exceptions import CommitFailedError
from moto.s3.responses import S3Response

from airflow_provider_spotify.core.errors import ConfigurationError, TransientError
from airflow_provider_spotify.core.model import Credentials
from airflow_provider_spotify.core.sinks._delta_ledger import Intent
from airflow_provider_spotify.core.sinks._delta_locks import Lease
from airflow_provider_spotify.core.sinks._delta_maintenance import maintain
from airflow_provider_spotify.core.sinks._delta_upkeep import MaintenancePlan
from airflow_provider_spotify.core.sinks.base import Sink
from airflow_provider_spotify.core.sinks.delta import DeltaConfig, DeltaSink
from airflow_provider_spotify.core.testing.loads import (
    batch,
    load,
    rejected_records,
    report,
    rows_of,
    spec,
    twin,
    write,
)
from airflow_provider_spotify.core.testing.sink_suite import MODES
from airflow_provider_spotify.core.testing.sinks import SinkConformance
from tests.services.object_store import s3

__all__ = ["s3"]


class TestDelta(SinkConformance):
    @pytest.fixture(autouse=True)
    def _place(self, tmp_path: Path) -> None:
        self.path = tmp_path / "lake"

    def make_sink(self) -> Sink[Any]:
        return DeltaSink(DeltaConfig(path=str(self.path)), tenant="acme")


@pytest.fixture(autouse=True, scope="module")
def _one_of_several_creates_an_object() -> Iterator[None]:
    """S3 lets one of several create an object; moto looks for it and puts it in two steps."""
    guard, put = Lock(), S3Response.put_object

    def alone(self: S3Response) -> Any:
        with guard:
            return put(self)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(S3Response, "put_object", alone)
        yield


@pytest.fixture
def bucket(s3: Credentials) -> DeltaSink:
    """Give a sink in a bucket of its own."""
    place = f"s3://acme/{uuid4().hex}"
    return DeltaSink(DeltaConfig(path=place), credentials=s3, tenant="acme")


class TestObjectStore:
    """What the suite demands, on S3."""

    @pytest.mark.parametrize("mode", MODES)
    def test_modes_on_s3(self, bucket: DeltaSink, mode: str) -> None:
        """Rows, rejects, cursor and history arrive in each mode, staged or not."""
        load(bucket, spec(bucket, mode=mode, run="one"), [batch(id=[1, 2], said=["a", "b"])])
        seen = [] if mode == "replace" else [batch(id=[0])]
        again = [*seen, batch(id=[2, 3], said=["B", "c"])]
        of = spec(bucket, mode=mode, run="two", staged=True)
        load(bucket, of, again, rejected=[rejected_records("{}")] * len(again), every=1)
        found = {(row["id"], row["said"]) for row in rows_of(bucket, "plays")}
        assert {(2, "B"), (3, "c")} <= found
        assert ((2, "b") in found) == (mode in ("append", "scd2"))
        assert bucket.cursor("plays") == {"batches": len(again)}
        assert [entry.status for entry in bucket.history("plays")] == ["committed"] * 2
        assert sum(b.num_rows for b in bucket.rejected("plays")) == 1

    def test_a_load_resumes_on_s3(self, bucket: DeltaSink) -> None:
        """What was checkpointed is there for the next attempt, and nothing else."""
        batches = [batch(id=[1]), batch(id=[2]), batch(id=[3])]
        with bucket.begin(spec(bucket, mode="merge")) as under_way:
            write(under_way, batches[:2], every=1)
            under_way.write(batch(id=[99]))
        load(bucket, spec(bucket, mode="merge"), batches)
        assert [row["id"] for row in rows_of(bucket, "plays")] == [1, 2, 3]

    def test_loads_exclude_each_other_on_s3(self, bucket: DeltaSink) -> None:
        """A second load of the import is told to wait; a lock whose owner left is free again."""
        with (
            bucket.begin(spec(bucket, run="one")),
            pytest.raises(TransientError, match="under way"),
        ):
            twin(bucket).begin(spec(bucket, run="two"))
        with twin(bucket).begin(spec(bucket, run="two")):
            pass

    def test_one_of_many_takes_a_lock_on_s3(self, bucket: DeltaSink) -> None:
        """Of several who try at once one gets the lock."""
        place = bucket.place()
        leases = [Lease(place, ("main", "_locks", "x"), what="a load") for _ in range(4)]
        with ThreadPoolExecutor(4) as threads:
            errors = [*threads.map(lambda lease: _error(lease.take), leases)]
        assert [error is None for error in errors].count(True) == 1
        assert {type(error) for error in errors if error} == {TransientError}

    def test_a_lock_without_a_sign_of_life_is_free(self, bucket: DeltaSink) -> None:
        """The next takes it, and the one that lost it cannot renew it."""
        steps = ("main", "_locks", "x")
        dead, next_ = (Lease(bucket.place(), steps, what="a load") for _ in range(2))
        dead._commit(timedelta(seconds=-1), alone=True)
        next_.take()
        assert isinstance(_error(dead.release), TransientError)
        next_.release()

    def test_a_commit_on_its_way_is_fenced_off(self, bucket: DeltaSink) -> None:
        """After its intent was undone, the data commit of a load that lost its lock fails."""
        load(bucket, spec(bucket, run="one"), [batch(id=[1])])
        number = time.time_ns()
        _intend(bucket, number=number)
        late = bucket.place().table("main", "plays")
        assert late is not None
        load(bucket, spec(bucket, run="two"), [batch(id=[1]), batch(id=[2])])
        app = CommitProperties(app_transactions=[Transaction("acme.plays", number)])
        with pytest.raises(CommitFailedError):
            write_deltalake(late, late.to_pyarrow_table(), mode="append", commit_properties=app)
        assert [row["id"] for row in rows_of(bucket, "plays")] == [1, 2]

    def test_imports_commit_side_by_side_on_s3(self, bucket: DeltaSink) -> None:
        """Several imports append to one table and one ledger at once, and no row is lost."""

        def run(name: str) -> None:
            batches = [batch(id=[n] * 10) for n in range(3)]
            load(twin(bucket), spec(bucket, import_name=name), batches, every=1)

        with ThreadPoolExecutor(3) as threads:
            list(threads.map(run, ["a", "b", "c"]))
        assert len(rows_of(bucket, "plays")) == 90
        assert [bucket.cursor(name) for name in "abc"] == [{"batches": 3}] * 3

    def test_a_bucket_that_is_not_there(self, s3: Credentials) -> None:
        """The connection test says so, and shows no secret."""
        sink = DeltaSink(DeltaConfig(path="s3://nowhere/x"), credentials=s3, tenant="acme")
        health = sink.check()
        assert not health.ok
        assert str(s3.secret()) not in health.message


def _error(act: Callable[[], None]) -> BaseException | None:
    try:
        act()
    except TransientError as error:
        return error
    return None


class TestCommits:
    """What is Delta's own."""

    @pytest.fixture
    def sink(self, tmp_path: Path) -> DeltaSink:
        return DeltaSink(DeltaConfig(path=str(tmp_path)), tenant="acme")

    def test_a_load_is_one_commit_with_its_cursor(self, sink: DeltaSink) -> None:
        """The commit that shows the rows says which load it is of and where reading goes on."""
        of = spec(sink, mode="merge")
        load(sink, of, [batch(id=[1]), batch(id=[2])])
        table = sink.place().table("main", "plays")
        assert table is not None
        (commit,) = table.history()
        assert commit["spotify_imports.load_id"] == str(of.load_id)
        assert json.loads(commit["spotify_imports.cursor"]) == {"batches": 2}
        assert table.transaction_version("acme.plays") is not None

    @pytest.mark.parametrize("mode", ["append", "merge", "scd2"])
    def test_running_again_is_one_commit(self, sink: DeltaSink, mode: str) -> None:
        """Rows that give way and rows that come change places in one version."""
        load(sink, spec(sink, mode=mode, run="one"), [batch(id=[1], said=["a"])])
        second = spec(sink, mode=mode, run="two")
        load(sink, second, [batch(id=[0]), batch(id=[1, 2], said=["b", "b"])])
        before = _version(sink)
        load(sink, second, [batch(id=[0]), batch(id=[1], said=["c"])])
        assert _version(sink) == before + 1

    @pytest.mark.parametrize("mode", ["append", "merge", "scd2"])
    def test_imports_share_a_table(self, sink: DeltaSink, mode: str) -> None:
        """A load whose commit meets another's is computed again; columns of all come together."""
        load(sink, spec(sink, mode=mode, import_name="first"), [batch(id=[0], n=[1])])
        gate = Barrier(4)

        def run(number: int) -> None:
            of = spec(sink, mode=mode, import_name=f"i{number}", staged=True)
            columns = {"id": [number * 10], "n": [0.5], f"own{number}": ["x"]}
            with twin(sink).begin(of) as under_way:
                end = write(under_way, [batch(**columns)])
                gate.wait(60)
                under_way.publish(end, report(of))

        with ThreadPoolExecutor(4) as threads:
            list(threads.map(run, range(1, 5)))
        found = {row["id"]: row for row in rows_of(sink, "plays")}
        assert sorted(found) == [0, 10, 20, 30, 40]
        assert all(found[n * 10][f"own{n}"] == "x" for n in range(1, 5))
        assert found[0]["n"] == 1.0

    def test_an_unfinished_intent_is_undone(self, sink: DeltaSink) -> None:
        """An intent without its commit changes nothing that anybody sees."""
        load(sink, spec(sink, run="one"), [batch(id=[1])])
        _intend(sink, number=time.time_ns())
        assert sink.cursor("plays") == {"batches": 1}
        load(sink, spec(sink, run="two"), [batch(id=[1]), batch(id=[2])])
        assert [row["id"] for row in rows_of(sink, "plays")] == [1, 2]

    def test_an_intent_whose_commit_was_made_is_completed(self, sink: DeltaSink) -> None:
        """Its rows of the ledger count as soon as anybody asks."""
        load(sink, spec(sink, run="one"), [batch(id=[1])])
        number = time.time_ns()
        _intend(sink, number=number)
        table = sink.place().table("main", "plays")
        assert table is not None
        app = [Transaction("acme.plays", number)]
        rows = table.to_pyarrow_table()
        properties = CommitProperties(app_transactions=app)
        write_deltalake(table, rows, mode="append", commit_properties=properties)
        assert sink.cursor("plays") is None
        assert not sink.history("plays")

    def test_the_ledger_is_tidied(self, sink: DeltaSink) -> None:
        """Many small changes become few files, and the ledger says the same."""
        with sink.begin(spec(sink)) as under_way:
            progress = write(under_way, [batch(id=[n]) for n in range(55)], every=1)
            under_way.publish(progress, report(spec(sink)))
        table = sink.place().table("main", "_imports")
        assert table is not None
        assert len(table.file_uris()) < 10
        assert sink.cursor("plays") == {"batches": 55}
        found = sink.query("SELECT status, rows FROM _imports").to_pylist()
        assert found == [{"status": "committed", "rows": 55}]

    def test_a_query_reads_no_files(self, sink: DeltaSink) -> None:
        """A query sees the tables of its destination and nothing else of the machine."""
        load(sink, spec(sink), [batch(id=[1])])
        with pytest.raises(ConfigurationError):
            sink.query("SELECT * FROM plays, read_csv('/etc/hosts')")

    def test_maintenance_keeps_the_rows(self, sink: DeltaSink) -> None:
        """Compacting, laying out and vacuuming leave what readers see, and say what they did."""
        for run in range(4):
            load(sink, spec(sink, run=f"run {run}"), [batch(id=[n]) for n in range(run + 1)])
        plan = MaintenancePlan.model_validate({"vacuum": {}, "z_order": {"plays": ["id"]}})
        done = {each["table"]: each for each in maintain(sink.place(), "main", plan)}
        assert set(done) == {"_imports", "plays"}
        assert (done["plays"]["files_removed"], done["plays"]["vacuumed"]) == (4, 0)
        assert len(rows_of(sink, "plays")) == 4
        load(sink, spec(sink, run="after"), [batch(id=[n]) for n in range(5)])
        assert sink.cursor("plays") == {"batches": 5}

    def test_vacuum_keeps_what_readers_may_need(self, sink: DeltaSink) -> None:
        """Less than the table's retention is refused unless it is asked for by name."""
        load(sink, spec(sink, mode="replace", run="one"), [batch(id=[1])])
        load(sink, spec(sink, mode="replace", run="two"), [batch(id=[2])])
        words = {"tables": ["plays"], "vacuum": {"retention": "0s"}}
        with pytest.raises(ConfigurationError, match="below_retention"):
            maintain(sink.place(), "main", MaintenancePlan.model_validate(words))
        words["vacuum"] = {"retention": "0s", "below_retention": True}
        (done,) = maintain(sink.place(), "main", MaintenancePlan.model_validate(words))
        assert done["vacuumed"] == 1
        assert rows_of(sink, "plays") == [{"id": 2}]


def _version(sink: DeltaSink) -> int:
    table = sink.place().table("main", "plays")
    assert table is not None
    return table.version()


def _intend(sink: DeltaSink, *, number: int) -> None:
    """Leave what a killed load leaves: it meant to take the only row of the ledger away."""
    database = sink.database(import_name="plays")
    database.book.sync()
    (number_of_load,) = database.book.rows
    intent = Intent(number, "acme.plays", "acme.plays", "plays", None, [])
    database.book.save(number, rows=[], gone=[number_of_load], intent=intent)
