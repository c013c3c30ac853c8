"""Draws the ratios of a run, one panel for each case."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from benchmarks.report import OF, Outcome, value


def draw(found: Sequence[Outcome], file: Path) -> None:
    """Write a PNG: bars are relative to the first way of each case, which is 1."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, panels = plt.subplots(
        len(found), 1, figsize=(9, 1.2 + 1.9 * len(found)), squeeze=False, layout="constrained"
    )
    for panel, result in zip(panels[:, 0], found, strict=True):
        own = value(result.lines[0], result.of)
        lines = list(reversed(result.lines))
        ratios = [value(line, result.of) / own for line in lines]
        colours = ["#1db954" if line is result.lines[0] else "#8a8f98" for line in lines]
        bars = panel.barh([line.way for line in lines], ratios, color=colours)
        panel.bar_label(bars, labels=[f"{ratio:.2f}" for ratio in ratios], padding=3, fontsize=8)
        panel.set_title(f"{result.title} ({OF[result.of]})", fontsize=9, loc="left")
        panel.tick_params(labelsize=8)
        panel.set_xlim(0, max(ratios) * 1.12)
        panel.spines[["top", "right"]].set_visible(False)
    figure.savefig(file, dpi=110)
    plt.close(figure)
