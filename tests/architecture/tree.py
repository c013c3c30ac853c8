"""The files of the project, as the tests of its architecture look at them."""

from __future__ import annotations

import ast
import shutil
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "airflow_provider_spotify"


def modules(folder: Path = PACKAGE) -> list[Path]:
    """Return the Python files below a folder, in order."""
    return sorted(folder.rglob("*.py"))


def dotted(file: Path) -> str:
    """Return the name under which a file of the project is imported."""
    parts = file.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def shown(file: Path) -> str:
    """Return a file's path for a message or a test's name."""
    return str(file.relative_to(ROOT))


def lines(file: Path) -> int:
    return len(file.read_text("utf-8").splitlines())


@cache
def tree(file: Path) -> ast.Module:
    return ast.parse(file.read_text("utf-8"))


def functions(file: Path) -> Iterator[tuple[str, int]]:
    """Yield the functions of a file with their lengths in lines, decorators left out."""
    for node in ast.walk(tree(file)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno is not None
            yield f"{shown(file)}:{node.lineno} {node.name}", node.end_lineno - node.lineno + 1


@cache
def tracked() -> list[Path]:
    """Return the files that git tracks or would track; where there is no git, those of the source.

    A link is not followed, and a file that was deleted but not yet from git is not there.
    """
    if shutil.which("git") and (ROOT / ".git").exists():
        command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
        names = [ROOT / name for name in done.stdout.split("\0") if name]
    else:
        skipped = {".git", "__pycache__"}
        names = [
            file
            for file in ROOT.rglob("*")
            if not any(p in skipped or p.startswith(".") for p in file.relative_to(ROOT).parts[:-1])
        ]
    return [file for file in names if file.is_file() and not file.is_symlink()]


def texts() -> Iterator[tuple[Path, str]]:
    """Yield the tracked files that are text."""
    for file in tracked():
        raw = file.read_bytes()
        if b"\0" not in raw[:8192]:
            yield file, raw.decode("utf-8")
