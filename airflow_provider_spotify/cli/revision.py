"""Takes a folder out of an earlier git revision."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from airflow_provider_spotify.core.errors import ConfigurationError


@contextmanager
def folder_at(folder: str, *, revision: str) -> Iterator[str]:
    """Give a temporary folder that holds the YAML of ``folder`` as of a revision.

    :raises ConfigurationError: if the folder is in no repository, or there is no such revision
    """
    if not Path(folder).is_dir():
        raise ConfigurationError(f"there is no folder {folder!r}")
    if revision.startswith("-"):
        raise ConfigurationError(f"{revision!r} is not a revision")
    found = _git(folder, "rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}")
    commit = found.decode().strip()
    with tempfile.TemporaryDirectory(prefix="spotify-imports-") as place:
        for name in _git(folder, "ls-tree", "-z", "--name-only", commit).decode().split("\0"):
            if name.endswith((".yaml", ".yml")) and "/" not in name:
                text = _git(folder, "show", f"{commit}:./{name}")
                (Path(place) / name).write_bytes(text)
        yield place


def _git(folder: str, *arguments: str) -> bytes:
    program = shutil.which("git")
    if program is None:
        raise ConfigurationError("--against needs git, which is not installed")
    done = subprocess.run(  # noqa: S603 - the arguments are fixed or checked above
        [program, "-C", folder, *arguments], capture_output=True, check=False
    )
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip() or "there is no such revision"
        raise ConfigurationError(f"git {arguments[0]} in {folder!r}: {said}")
    return done.stdout
