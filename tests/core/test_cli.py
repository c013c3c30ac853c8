"""The command line starts quickly, explains itself, and lists what there is."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from airflow_provider_spotify.cli import commands, main
from airflow_provider_spotify.cli.exits import BAD_CALL, OK
from airflow_provider_spotify.cli.running import watched

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
    """By processor time, the best of three, with compiled bytecode as after an installation.

    The same work takes more of it beside other work: more than four times what pydantic alone
    takes to be imported, which is about half a second too, is too much at any time.
    """
    code = f"from airflow_provider_spotify.cli import main; main({LIGHT[name]!r})"
    peer = "from pydantic import BaseModel\nclass Model(BaseModel): a: int"
    cache = {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": str(tmp_path)}

    def seconds(code: str) -> float:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        assert fresh(code, **cache).returncode == 0
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    best = {each: min(seconds(each) for _ in range(4)) for each in (code, peer)}
    assert best[code] < max(0.5, 4 * best[peer]), best.values()


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


def test_a_reader_that_stops_reading_is_no_error() -> None:
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
