"""What is wrong in a YAML file, and where: file, line, column, path and a sentence."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple, TypeAlias

from airflow_provider_spotify.core.errors import ConfigurationError

KeyPath: TypeAlias = tuple[str | int, ...]
"""The way to a value: ``("imports", "plays", "quality", 0, "column")``."""


class PlacedError(ValueError):
    """What is wrong with a text of several lines, and where in it.

    :param place: line and column, from 1
    """

    def __init__(self, message: str, *, place: tuple[int, int]) -> None:
        super().__init__(message)
        self.place = place


class Problem(NamedTuple):
    """One thing to correct in one file; lines and columns count from 1."""

    file: str
    line: int
    column: int
    path: str
    message: str

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}:{self.column}"
        return f"{where}: {self.path}: {self.message}" if self.path else f"{where}: {self.message}"


class InvalidConfig(ConfigurationError):
    """A YAML file cannot become a plan.

    :param problems: everything that is wrong with it, in the order of its lines
    """

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = tuple(problems)


def in_order(problems: Iterable[Problem]) -> tuple[Problem, ...]:
    """Sort problems by place, each told once."""
    return tuple(sorted(set(problems)))


def spell(path: Sequence[str | int]) -> str:
    """Write a path as people read it: ``imports.plays.quality[0].column``."""
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
    return text


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Offer the nearest known word, or else all of them.

    >>> did_you_mean("topcs", ["topics", "group"])
    "did you mean 'topics'?"
    """
    words = [str(item) for item in known]
    bare = {re.sub(r"[^a-z0-9]", "", item.lower()): item for item in words}
    near = difflib.get_close_matches(re.sub(r"[^a-z0-9]", "", word.lower()), bare, n=1)
    if near:
        return f"did you mean {bare[near[0]]!r}?"
    return f"known: {', '.join(words)}" if words else "nothing is known here"
