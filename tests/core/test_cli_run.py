"""The commands that open systems: check, run and replay, and their exit codes."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_spotify.cli import main
from airflow_provider_spotify.cli.exits import BAD_CALL, BAD_DATA, OK, TRY_LATER
from tests.core.config.tenants import one, write, yaml


@pytest.fixture
def acme(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a root with a tenant that imports data/plays.csv, two rows of which are bad."""
    monkeypatch.setenv("SPOTIFY_IMPORTS_ROOT", str(tmp_path))
    monkeypatch.setenv("AIRFLOW_CONN_ACME__KEY", json.dumps({"password": "k" * 32}))
    settings = (
        "write: {mode: merge, key: [id]}\n"
        "contract: {columns: {id: {type: bigint, required: true}, email: {pii: hash}}}\n"
        "quality: [{check: range, column: n, min: 0}]"
    )
    write(tmp_path / "dag_configs", acme=one(settings, more="privacy: {key: acme__key}\n"))
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "plays.csv").write_text(
        "id,email,n\n1,a@example.com,5\n2,b@example.com,6\nx,c@example.com,7\n4,d@example.com,-1\n"
    )
    return tmp_path


def call(acme: Path, command: str, *arguments: str) -> int:
    return main([command, "acme", *arguments, "--folder", str(acme / "dag_configs")])


def report(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def test_run_imports_prints_its_report_and_goes_on_from_there(
    acme: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(acme, "run", "plays", "--format", "json") == OK
    first = report(capsys)
    assert (first["rows"], first["rejected"]) == (2, 2)
    assert first["masked"] == [{"name": "email", "action": "hash"}]
    assert (acme / "acme.duckdb").exists()
    assert call(acme, "run", "plays", "--format", "json") == OK
    assert report(capsys)["rows"] == 0
    assert call(acme, "run", "plays", "--full-refresh", "--format", "json") == OK
    assert report(capsys)["rows"] == 2


def test_run_prints_a_table_that_a_person_reads(
    acme: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(acme, "run", "plays") == OK
    out = capsys.readouterr().out
    assert "acme__plays" in out
    assert "email: hash" in out
    assert "example.com" not in out


def test_a_dry_run_writes_nothing(acme: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(acme, "run", "plays", "--dry-run", "--format", "json") == OK
    found = report(capsys)
    assert (found["rows"], found["dry_run"]) == (2, True)
    assert not (acme / "acme.duckdb").exists()


def test_data_that_fails_ends_with_one(acme: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = acme / "dag_configs" / "acme.yaml"
    file.write_text(file.read_text() + "    max_rejected: 0\n")
    assert call(acme, "run", "plays") == BAD_DATA
    assert "more than max_rejected: 0" in capsys.readouterr().err


def test_a_connection_that_is_missing_ends_with_two(
    acme: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AIRFLOW_CONN_ACME__KEY")
    assert call(acme, "run", "plays") == BAD_CALL
    assert "set AIRFLOW_CONN_ACME__KEY" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["song"], "there is no import 'song'"),
        (["plays", "--from", "2026-01-01"], "a window needs both --from and --to"),
        (["plays", "--from", "then", "--to", "2026-01-01"], "'then' is not a time"),
        (["plays", "--from", "2026-01-02", "--to", "2026-01-01"], "--from must lie before --to"),
    ],
)
def test_a_wrong_call_of_run_is_explained(
    acme: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    assert call(acme, "run", *arguments) == BAD_CALL
    assert words in capsys.readouterr().err


def test_a_system_that_does_not_answer_ends_with_75(
    acme: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Port 9 (discard) of this machine refuses connections."""
    source = "{type: rest, path: x, base_url: 'http://127.0.0.1:9', retry_attempts: 1}"
    write(acme / "dag_configs", acme=yaml(f"  plays: {{source: {source}}}\n"))
    assert call(acme, "run", "plays") == TRY_LATER
    assert "error:" in capsys.readouterr().err


def test_check_tries_both_ends(acme: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(acme, "check", "--format", "json") == OK
    found = json.loads(capsys.readouterr().out)
    assert [(row["side"], row["ok"]) for row in found] == [("source", True), ("destination", True)]
    source = "{type: rest, path: x, connection: acme__api}"
    write(acme / "dag_configs", acme=yaml(f"  plays: {{source: {source}}}\n"))
    assert call(acme, "check", "plays") == BAD_CALL
    assert "set AIRFLOW_CONN_ACME__API" in capsys.readouterr().out


def test_rejected_records_are_listed_mended_and_replayed(
    acme: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(acme, "replay", "plays") == OK
    assert "nothing to do: no rejected record of acme__plays waits" in capsys.readouterr().err
    assert call(acme, "run", "plays") == OK
    capsys.readouterr()
    assert call(acme, "replay", "plays", "--list", "--format", "json") == OK
    out = capsys.readouterr().out
    assert "example.com" not in out
    records = {r["stage"]: r for r in map(json.loads, out.splitlines())}
    assert set(records) == {"contract", "quality"}
    mended = {"id": records["contract"]["id"], "record": {"id": "3", "email": "c", "n": "7"}}
    (acme / "mended.jsonl").write_text(json.dumps(mended))
    arguments = ["plays", "--mended", str(acme / "mended.jsonl"), "--format", "json"]
    assert call(acme, "replay", *arguments) == OK
    done = report(capsys)
    assert (done["rows"], done["rejected"]) == (1, 1)
    assert call(acme, "replay", "plays", "--list") == OK
    assert "1 rejected records" in capsys.readouterr().out


def test_on_a_terminal_a_bar_shows_the_progress(acme: Path) -> None:
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "airflow_provider_spotify.cli", "run", "acme", "plays"]
    folder = ["--folder", str(acme / "dag_configs")]
    subprocess.run([*command, *folder], stdout=subprocess.DEVNULL, stderr=theirs, check=True)
    os.close(theirs)
    shown = b""
    with suppress(OSError):  # a terminal's way to say that nobody writes any more
        while more := os.read(ours, 65536):  # which gives a few thousand bytes at a time
            shown += more
    os.close(ours)
    assert "acme__plays: 2 rows" in shown.decode()
