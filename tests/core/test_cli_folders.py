"""The commands about folders of tenants: validate, plan, diff and new."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from airflow_provider_spotify.cli import main
from airflow_provider_spotify.cli.exits import BAD_CALL, BAD_DATA, OK
from tests.core.config.tenants import one, write, yaml

EXAMPLES = Path(__file__).parents[2] / "dag_configs"

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


# ── new ──────────────────────────────────────────────────────────────────────────────────────


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
