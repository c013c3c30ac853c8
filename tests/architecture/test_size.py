"""Files and functions stay as small as the house wants them, and are named for what they hold."""

from __future__ import annotations

import ast
import re
from statistics import median

import pytest

from tests.architecture.tree import PACKAGE, ROOT, functions, lines, modules, shown, tree

FILES = {shown(file): lines(file) for file in modules()}
FUNCTIONS = dict(found for file in modules() for found in functions(file))
VAGUE = {"utils", "util", "helpers", "helper", "common", "misc", "shared", "tools"}


def above(limit: int, found: dict[str, int]) -> dict[str, int]:
    return {name: size for name, size in found.items() if size > limit}


def test_no_file_is_above_500_lines_and_few_are_above_350() -> None:
    assert not above(500, FILES)
    assert len(above(350, FILES)) <= 0.05 * len(FILES), above(350, FILES)


def test_the_median_file_has_at_most_150_lines() -> None:
    assert median(FILES.values()) <= 150


def test_no_function_is_above_60_lines_and_few_are_above_40() -> None:
    assert not above(60, FUNCTIONS)
    assert len(above(40, FUNCTIONS)) <= 0.02 * len(FUNCTIONS), above(40, FUNCTIONS)


def test_the_median_function_has_at_most_12_lines() -> None:
    assert median(FUNCTIONS.values()) <= 12


def test_a_package_opens_with_at_most_one_screen() -> None:
    found = {name: size for name, size in FILES.items() if name.endswith("__init__.py")}
    assert not above(40, found)


def test_no_module_has_a_name_that_says_nothing() -> None:
    folders = [PACKAGE, ROOT / "tests", ROOT / "benchmarks", ROOT / "demo", ROOT / "docs"]
    parts = {part for folder in folders for file in modules(folder) for part in _names(file)}
    assert not {part for part in parts if part.strip("_") in VAGUE}


def _names(file: object) -> list[str]:
    return re.split(r"[/.]", str(file).removeprefix(str(ROOT)))


@pytest.mark.parametrize("file", modules(), ids=shown)
def test_a_module_opens_by_saying_what_it_is(file: object) -> None:
    """Its first line is one sentence: it begins with a capital and ends with a period."""
    doc = ast.get_docstring(tree(file))  # type: ignore[arg-type]
    assert doc
    first = doc.splitlines()[0]
    assert first.endswith("."), first
    assert first[0].isupper() or first[0] in "`\"'", first
    sentences = re.split(r"(?<!e\.g)(?<!i\.e)[.!?]\s+(?=[A-Z])", first)
    assert len(sentences) == 1, first


def test_nobody_says_later() -> None:
    """What is not there is an issue of the tracker, not a mark in the code."""
    marks = re.compile(r"\b(TODO|FIXME|XXX|HACK|NotImplementedError)\b")
    found = [shown(file) for file in modules() if marks.search(file.read_text("utf-8"))]
    assert not found


def test_no_test_replaces_what_it_tests() -> None:
    """A fake keeps a protocol; a mock keeps nothing."""
    mocks = re.compile(r"\b(unittest\.mock|from unittest import mock|pytest_mock|MagicMock)\b")
    here = {"test_size.py"}
    found = [
        shown(file)
        for file in modules(ROOT / "tests")
        if file.name not in here and mocks.search(file.read_text("utf-8"))
    ]
    assert not found
