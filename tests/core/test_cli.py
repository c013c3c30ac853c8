"""The command line does what it says, quickly, and ends with the right exit code."""

from __future__ import annotations

import json
import os
import pty
import resource
import shutil
import signal
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_spotify.cli import commands, main
from airflow_provider_spotify.cli.exits import BAD_CALL, BAD_DATA, OK, TRY_LATER
from airflow_provider_spotify.cli.running import watched
from tests.core.config.tenants import one, write, yaml

LIGHT = {
    "validate": ["validate"],
    "plan": ["plan", "--format", "json"],
    "schema": ["schema"],
    "sources": ["sources"],
}
HEAVY = ("airflow", "pyarrow", "duckdb", "pandas", "aiohttp", "psycopg", "rich")
EXAMPLES = Path(__file__).parents[2] / "dag_configs"


def fresh(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run Python code in an interpreter that has imported nothing yet."""
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        capture_output=True,
        text=True,
        check=False,
        cwd=EXAMPLES.parent,
        env={**os.environ, **environment},
    )


@pytest.mark.parametrize("name", LIGHT)
def test_reading_commands_import_neither_airflow_nor_a_data_library(name: str) -> None:
    done = fresh(f"""
        import sys
        from airflow_provider_spotify.cli import main
        code = main({LIGHT[name]!r})
        print([m for m in {HEAVY!r} if m in sys.modules], code, file=sys.stderr)
    """)
    assert done.stderr.splitlines()[-1] == "[] 0"


@pytest.mark.parametrize("name", LIGHT)
def test_a_reading_command_starts_in_under_half_a_second(name: str, tmp_path: Path) -> None:
    """By processor time, the best of three, with compiled bytecode as after an installation."""
    code = f"from airflow_provider_spotify.cli import main; main({LIGHT[name]!r})"
    cache = {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": str(tmp_path)}
    fresh(code, **cache)

    def seconds() -> float:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        fresh(code, **cache)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    assert min(seconds() for _ in range(3)) < 0.5


def test_every_command_explains_itself(capsys: pytest.CaptureFixture[str]) -> None:
    for command in commands():
        with pytest.raises(SystemExit) as ended:
            main([command.name, "--help"])
        assert ended.value.code == 0
        assert command.help in " ".join(capsys.readouterr().out.split())


def test_a_wrong_call_ends_with_two(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["validat"])
    assert ended.value.code == BAD_CALL
    assert "invalid choice" in capsys.readouterr().err


# ── validate ─────────────────────────────────────────────────────────────────────────────────


def test_validate_is_silent_about_a_good_folder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["validate", str(write(tmp_path, acme=yaml()))]) == OK
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err == "1 tenants with 1 imports are valid\n"


def test_validate_prints_each_problem_with_its_place(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write(tmp_path, acme=one("writ: {}"))
    assert main(["validate", str(folder)]) == BAD_DATA
    expected = (
        f"{folder}/acme.yaml:8:5: imports.plays.writ: unknown key 'writ'; did you mean 'write'?"
    )
    assert capsys.readouterr().out == expected + "\n"


def test_validate_speaks_json_and_githubs_annotations(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = str(write(tmp_path, acme=one("writ: {}")))
    assert main(["validate", folder, "--format", "json"]) == BAD_DATA
    (problem,) = json.loads(capsys.readouterr().out)["problems"]
    assert (problem["line"], problem["column"], problem["path"]) == (8, 5, "imports.plays.writ")
    assert main(["validate", folder, "--format", "github"]) == BAD_DATA
    assert capsys.readouterr().out == (
        f"::error file={folder}/acme.yaml,line=8,col=5::imports.plays.writ: unknown key 'writ'; "
        "did you mean 'write'?\n"
    )


def test_a_folder_that_is_not_there_ends_with_two(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["validate", "no/such/folder"]) == BAD_CALL
    assert "error: there is no folder 'no/such/folder'" in capsys.readouterr().err


# ── plan, diff ───────────────────────────────────────────────────────────────────────────────


def test_plan_prints_what_the_folder_gives(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = one('schedule: "@daily"\ncontract: {columns: {email: {pii: redact}}}')
    folder = str(write(tmp_path, acme=text))
    assert main(["plan", folder]) == OK
    out = capsys.readouterr().out
    for words in ("acme__plays", "@daily (UTC)", "acme.duckdb main plays", "email: redact"):
        assert words in out
    assert main(["plan", folder, "--format", "json"]) == OK
    (row,) = json.loads(capsys.readouterr().out)["imports"]
    assert row["dag_id"] == "acme__plays"


def test_diff_of_two_folders_names_changes_and_dangers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old = write(tmp_path / "old", acme=one("table: a\npriority: 1"))
    new = write(tmp_path / "new", acme=one("table: b\npriority: 2"))
    assert main(["diff", str(old), str(new)]) == OK
    said = capsys.readouterr()
    assert "~ acme__plays table: a -> b   DANGER: rows go to another table" in said.out
    assert "~ acme__plays priority: 1 -> 2\n" in said.out
    assert said.err == "2 changes, 1 dangerous\n"
    assert main(["diff", str(old), str(new), "--format", "json"]) == OK
    assert {c["key"] for c in json.loads(capsys.readouterr().out)} == {"table", "priority"}


def test_diff_against_a_git_revision(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    if shutil.which("git") is None:
        pytest.skip("git is not installed")
    for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"):
        monkeypatch.delenv(name, raising=False)
    folder = write(tmp_path / "repository" / "dag_configs", acme=one("table: a"))

    def git(*arguments: str) -> None:
        who = ["-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "commit.gpgsign=false"]
        subprocess.run(["git", "-C", str(folder), *who, *arguments], check=True)

    git("init", "--quiet", "..")
    git("add", ".")
    git("commit", "--quiet", "--no-verify", "--message", "one")
    write(folder, acme=one("table: b"))
    assert main(["diff", str(folder), "--against", "HEAD"]) == OK
    assert "~ acme__plays table: a -> b" in capsys.readouterr().out
    assert main(["diff", str(folder), "--against", "nowhere"]) == BAD_CALL
    assert main(["diff", str(folder), "--against=--output=x"]) == BAD_CALL
    assert "is not a revision" in capsys.readouterr().err


def test_diff_wants_one_thing_to_compare_with(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["diff", str(EXAMPLES)]) == BAD_CALL
    assert "two folders, or one folder and --against" in capsys.readouterr().err


# ── schema, sources, new ─────────────────────────────────────────────────────────────────────


def test_schema_prints_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schema"]) == OK
    assert "imports" in json.loads(capsys.readouterr().out)["properties"]


def test_sources_lists_names_families_and_what_they_read(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["sources", "--format", "json"]) == OK
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)}
    assert rows["csv"]["family"] == "files"
    assert rows["spotify"]["connection"] == "spotify"
    assert all(row["what"] for row in rows.values())


def test_sources_of_a_name_prints_the_keys_of_its_config(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["sources", "csv", "--format", "json"]) == OK
    rows = {row["key"]: row for row in json.loads(capsys.readouterr().out)}
    assert rows["path"]["default"] == "required"
    assert rows["path"]["type"] == "text or list of text"
    assert rows["compression"]["type"].startswith("auto | none")
    assert main(["sources", "cvs"]) == BAD_CALL
    assert "did you mean 'csv'?" in capsys.readouterr().err


def test_new_writes_a_valid_tenant_and_never_over_another(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = str(tmp_path / "fresh")
    assert main(["new", "acme", "--folder", folder]) == OK
    assert main(["validate", folder]) == OK
    before = (tmp_path / "fresh" / "acme.yaml").read_text()
    assert main(["new", "acme", "--folder", folder, "--source", "jsonl"]) == BAD_CALL
    assert "describes a tenant 'acme' already" in capsys.readouterr().err
    assert (tmp_path / "fresh" / "acme.yaml").read_text() == before


@pytest.mark.parametrize("name", ["../evil", "Bad Name", "a__b"])
def test_new_refuses_a_name_that_is_none(tmp_path: Path, name: str) -> None:
    assert main(["new", name, "--folder", str(tmp_path)]) == BAD_CALL
    assert list(tmp_path.parent.glob("evil*")) == []
    assert list(tmp_path.iterdir()) == []


# ── check, run, replay ───────────────────────────────────────────────────────────────────────


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


def test_a_reader_that_stops_reading_is_no_error(acme: Path) -> None:
    done = subprocess.run(
        f"{sys.executable} -m airflow_provider_spotify.cli schema | head -n 1",
        shell=True,
        capture_output=True,
        text=True,
        check=True,
    )
    assert (done.stdout, done.stderr) == ("{\n", "")


def test_the_first_interrupt_asks_the_load_to_stop_and_the_second_one_ends_it() -> None:
    before = signal.getsignal(signal.SIGINT)
    with watched() as (_, cancel):
        assert not cancel.is_set()
        signal.raise_signal(signal.SIGINT)
        assert cancel.is_set()
        assert signal.getsignal(signal.SIGINT) is signal.SIG_DFL
    assert signal.getsignal(signal.SIGINT) is before


def test_on_a_terminal_a_bar_shows_the_progress(acme: Path) -> None:
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "airflow_provider_spotify.cli", "run", "acme", "plays"]
    folder = ["--folder", str(acme / "dag_configs")]
    subprocess.run([*command, *folder], stdout=subprocess.DEVNULL, stderr=theirs, check=True)
    os.close(theirs)
    shown = os.read(ours, 65536).decode()
    os.close(ours)
    assert "acme__plays: 2 rows" in shown
