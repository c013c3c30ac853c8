"""``airflow spotify-imports`` is ``spotify-imports`` with Airflow's own connections."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from airflow_provider_spotify.cli import commands
from airflow_provider_spotify.cli_airflow import get_commands
from tests.core.config.tenants import one, write, yaml


def parser() -> argparse.ArgumentParser:
    from airflow.cli.cli_parser import _add_command

    top = argparse.ArgumentParser()
    below = top.add_subparsers()
    for command in get_commands():
        _add_command(below, command)
    return top


def run(*arguments: str) -> None:
    given = parser().parse_args(["spotify-imports", *arguments])
    given.func(given)


def test_the_group_holds_every_command() -> None:
    (group,) = get_commands()
    assert group.name == "spotify-imports"
    assert [c.name for c in group.subcommands] == [c.name for c in commands()]


def test_a_good_folder_ends_silently_and_a_bad_one_with_an_exit_code(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run("validate", str(write(tmp_path / "good", acme=yaml())))
    with pytest.raises(SystemExit) as ended:
        run("validate", str(write(tmp_path / "bad", acme=one("writ: {}"))))
    assert ended.value.code == 1
    assert "did you mean 'write'?" in capsys.readouterr().out


def test_connections_are_airflows_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SPOTIFY_IMPORTS_ROOT", str(tmp_path))
    monkeypatch.setenv("AIRFLOW_CONN_ACME__KEY", "generic://:kkkkkkkkkkkkkkkkkkkkkkkk@")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "plays.csv").write_text("id,email\n1,a@example.com\n")
    text = one("contract: {columns: {email: {pii: hash}}}", more="privacy: {key: acme__key}\n")
    folder = write(tmp_path / "dag_configs", acme=text)
    run("run", "acme", "plays", "--folder", str(folder), "--format", "json")
    assert '"rows": 1' in capsys.readouterr().out
