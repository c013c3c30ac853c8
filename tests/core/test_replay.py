"""Rejected records can be listed, mended and loaded again, and none gets lost on the way."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_spotify.core.config.plans import ImportPlan
from airflow_provider_spotify.core.errors import ConfigurationError
from airflow_provider_spotify.core.model import Credentials, LoadReport, Run
from airflow_provider_spotify.core.opening import Opened, open_plan
from airflow_provider_spotify.core.pipeline import run_import
from airflow_provider_spotify.core.replay import Rejected, Replay, read_mended, waiting
from tests.core.config.tenants import only_import, yaml

KEY = "0123456789abcdef0123456789abcdef"


class Tenant:
    """One import whose files and warehouse are in a folder of the test."""

    def __init__(self, folder: Path, plan: ImportPlan) -> None:
        self.plan = plan
        self.opened: Opened = open_plan(plan, resolve=self._resolve)
        self._folder = folder
        self._runs = 0

    @staticmethod
    def _resolve(conn_id: str) -> Credentials:
        return Credentials.model_validate({"password": KEY})

    def load(self, name: str, text: str) -> LoadReport:
        (self._folder / name).write_text(text, "utf-8")
        return self._run(self.opened.source, Run(run_id=name))

    def replay(self, mended: dict[str, Any] | None = None) -> LoadReport:
        self._runs += 1
        sink, key = self.opened.sink, self.opened.key
        source = Replay(self.plan, original=self.opened.source, sink=sink, key=key, mended=mended)
        return self._run(source, Run(run_id=f"replay-{self._runs}", replay=True))

    def _run(self, source: Any, run: Run) -> LoadReport:
        return run_import(
            self.plan, source=source, sink=self.opened.sink, run=run, key=self.opened.key
        )

    def waiting(self) -> list[Rejected]:
        return list(waiting(self.opened.sink, table=self.plan.table))

    def rows(self) -> list[dict[str, Any]]:
        sql = f"SELECT * EXCLUDE (_load_id) FROM {self.plan.table} ORDER BY ALL"
        rows: list[dict[str, Any]] = self.opened.sink.query(sql).to_pylist()
        return rows


def tenant(folder: Path, source: str, settings: str) -> Tenant:
    lines = "".join(f"    {line}\n" for line in settings.splitlines())
    text = yaml(
        f"  plays:\n    source: {{type: {source}, path: '{folder}/*.{source}'}}\n{lines}",
        more="privacy: {key: acme__key}\n",
    ).replace("acme.duckdb", f"'{folder}/acme.duckdb'")
    return Tenant(folder, only_import(text))


SETTINGS = """\
write: {mode: merge, key: [id]}
contract: {columns: {id: {type: bigint, required: true}, email: {pii: redact}}}
quality: [{check: range, column: n, min: 0}]"""
CSV = "id,email,n\n1,a@example.com,5\nx,b@example.com,6\n3,c@example.com,-7\n"


def test_records_are_listed_sealed_with_their_reason(tmp_path: Path) -> None:
    acme = tenant(tmp_path, "csv", SETTINGS)
    assert acme.load("1.csv", CSV).rejected == 2
    found = {record.stage: record for record in acme.waiting()}
    assert found["contract"].column == "id"
    assert "below" in found["quality"].reason
    assert all(record.record.startswith("v1:") for record in found.values())
    assert "example.com" not in str(found)


def test_a_replay_without_mending_sets_the_same_records_aside_again(tmp_path: Path) -> None:
    acme = tenant(tmp_path, "csv", SETTINGS)
    acme.load("1.csv", CSV)
    report = acme.replay()
    assert (report.rows, report.rejected) == (0, 2)
    assert sorted(record.stage for record in acme.waiting()) == ["contract", "quality"]


def test_a_mended_record_lands_and_the_other_one_waits_on(tmp_path: Path) -> None:
    acme = tenant(tmp_path, "csv", SETTINGS)
    acme.load("1.csv", CSV)
    bad = next(record for record in acme.waiting() if record.stage == "contract")
    report = acme.replay({bad.id: {"id": "2", "email": "b@example.com", "n": "6"}})
    assert (report.rows, report.rejected) == (1, 1)
    assert [row["id"] for row in acme.rows()] == [1, 2]
    assert [record.stage for record in acme.waiting()] == ["quality"]


def test_a_replay_leaves_the_cursor_where_it_was(tmp_path: Path) -> None:
    acme = tenant(tmp_path, "csv", SETTINGS)
    acme.load("1.csv", CSV)
    before = acme.opened.sink.cursor("plays")
    acme.replay()
    assert acme.opened.sink.cursor("plays") == before
    assert acme.load("2.csv", "id,email,n\n4,d@example.com,8\n").rows == 1


def test_records_of_a_source_that_gives_types_come_back_with_them(tmp_path: Path) -> None:
    settings = SETTINGS + "\nmax_rejected: 5"
    acme = tenant(
        tmp_path, "jsonl", settings.replace("email: {pii", "at: {type: timestamp}, email: {pii")
    )
    lines = [
        {"id": 1, "at": "2026-01-02T03:04:05Z", "email": "a", "n": 1, "deep": {"x": [1, 2]}},
        {"id": 2, "at": "2026-01-02T03:04:06Z", "email": "b", "n": -1, "deep": {"x": [3]}},
    ]
    acme.load("1.jsonl", "\n".join(json.dumps(line) for line in lines))
    (bad,) = acme.waiting()
    record = json.loads(_sealer(acme).unseal(bad.record))
    assert acme.replay({bad.id: {**record, "n": 9}}).rows == 1
    first, second = acme.rows()
    assert (second["id"], second["n"], second["deep"]) == (2, 9, {"x": [3]})
    assert (second["at"] - first["at"]).total_seconds() == 1
    assert acme.waiting() == []


def _sealer(acme: Tenant) -> Any:
    from airflow_provider_spotify.core.transforms.privacy import Sealer

    return Sealer(acme.plan.contract.columns, acme.opened.key)


def test_a_record_of_a_renamed_column_finds_its_column_again(tmp_path: Path) -> None:
    """What quality rejects bears the table's names, what the contract rejects the source's."""
    settings = SETTINGS.replace("email: {pii", "mail: {source_name: E-Mail, pii")
    acme = tenant(tmp_path, "csv", settings)
    acme.load("1.csv", CSV.replace("email", "E-Mail"))
    by_stage = {record.stage: record for record in acme.waiting()}
    opened = {stage: _sealer(acme).unseal(record.record) for stage, record in by_stage.items()}
    mended = {
        by_stage["contract"].id: {**json.loads(opened["contract"]), "id": "2"},
        by_stage["quality"].id: {**json.loads(opened["quality"]), "n": "7"},
    }
    assert acme.replay(mended).rows == 2
    assert [(row["id"], row["mail"]) for row in acme.rows()] == [(1, "***"), (2, "***"), (3, "***")]


def test_what_is_no_json_object_waits_until_it_is_mended(tmp_path: Path) -> None:
    acme = tenant(tmp_path, "jsonl", "contract: {columns: {id: {type: bigint}}}")
    acme.load("1.jsonl", '{"id": 1}\nnot json\n')
    (bad,) = acme.waiting()
    assert bad.stage == "source"
    assert acme.replay().rejected == 1
    assert [record.id for record in acme.waiting()] == [bad.id]
    assert acme.replay({bad.id: {"id": 2}}).rows == 1
    assert [row["id"] for row in acme.rows()] == [1, 2]
    assert acme.waiting() == []


def test_a_row_that_stayed_without_a_value_is_not_loaded_twice(tmp_path: Path) -> None:
    settings = "contract: {mode: discard_value, columns: {id: {type: bigint}, n: {type: bigint}}}"
    acme = tenant(tmp_path, "csv", settings)
    acme.load("1.csv", "id,n\n1,one\n2,2\n")
    assert len(acme.waiting()) == 1
    assert acme.replay().rows == 0
    assert [row["n"] for row in acme.rows()] == [None, 2]
    assert len(acme.waiting()) == 1


def test_an_id_that_waits_for_nothing_is_an_error(tmp_path: Path) -> None:
    acme = tenant(tmp_path, "csv", SETTINGS)
    acme.load("1.csv", CSV)
    with pytest.raises(ConfigurationError, match=r"no rejected record of acme__plays .* id beef"):
        acme.replay({"beef": {"id": 1}})
    assert len(acme.waiting()) == 2


async def test_it_is_ready_as_long_as_something_waits(tmp_path: Path) -> None:
    acme = tenant(tmp_path, "csv", SETTINGS)
    source = Replay(acme.plan, original=acme.opened.source, sink=acme.opened.sink)
    assert not await source.is_ready(None)
    acme.load("1.csv", CSV)
    assert await source.is_ready(None)
    assert (await source.check()).ok


@pytest.mark.parametrize(
    "line",
    ['{"id": "a"}', "not json", '{"id": "a", "record": 5}', '{"id": "a", "record": {}, "x": 1}'],
)
def test_a_mended_file_of_another_form_is_refused_without_repeating_it(
    tmp_path: Path, line: str
) -> None:
    file = tmp_path / "mended.jsonl"
    file.write_text(f'{{"id": "ok", "record": {{"a": 1}}}}\n\n{line}\n')
    with pytest.raises(ConfigurationError, match=r"mended.jsonl:3: expected") as caught:
        read_mended(file)
    assert line not in str(caught.value)
    with pytest.raises(ConfigurationError, match="cannot read"):
        read_mended(tmp_path / "missing.jsonl")
