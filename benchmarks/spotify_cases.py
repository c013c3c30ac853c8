"""The jobs that read Spotify's contract server, and what is aimed at."""

from __future__ import annotations

from benchmarks.case import Case, Goal
from benchmarks.measure import Way
from benchmarks.places import Place
from benchmarks.spotify_ways import SETTINGS

A_MINUTE = 10_000
"""Tracks a minute that are aimed at, where the limit lets it be."""


def spotify(place: Place, rows: int | None) -> Case:
    """Tracks under limits that the source must find out; each way checks how it uses them."""
    rows = None  # each way has a number of its own
    names = {
        "one by one, 180 calls in 30 s": "singles",
        "batches of 50, 180 calls in 30 s": "batches",
        "one by one, 6,000 calls in 30 s": "fast",
    }
    program = [place.python, "-m", "benchmarks.spotify_ways"]
    ways = [Way(name, [*program, kind]) for name, kind in names.items()]
    goals = [
        Goal(name, "", SETTINGS[kind].tracks / A_MINUTE * 60, "seconds")
        for name, kind in names.items()
        if kind != "singles"
    ]
    return Case(
        name="spotify",
        title="Spotify's tracks under a rolling limit of 30 s that is learned from one refusal",
        rows=rows,
        ways=ways,
        goals=goals,
        of="seconds",
        once=list(names),
        warm_up=0,
    )
