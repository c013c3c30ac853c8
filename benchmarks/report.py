"""Turns measured times into ratios, on a terminal and on a page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from benchmarks.case import Case, Goal
from benchmarks.measure import Measured

PAGE = Path(__file__).parent / "README.md"
BEGIN, END = "<!-- figures -->", "<!-- end of figures -->"
OF = {"wall": "wall clock", "peak": "peak memory", "seconds": "seconds inside the process"}


class Line(NamedTuple):
    """The medians of one way: seconds, seconds, MB; ``inside`` as the process counted itself."""

    way: str
    wall: float
    cpu: float
    peak: float
    inside: float
    runs: int


class Verdict(NamedTuple):
    """A goal and what was reached."""

    text: str
    ratio: float
    most: float

    @property
    def met(self) -> bool:
        """Whether the ratio is at most what was aimed at."""
        return self.ratio <= self.most


class Outcome(NamedTuple):
    """What one case gave.

    :param of: what the ratios are of: ``wall``, ``peak`` or ``seconds``
    :param compared: rows whose values were found to be equal; None where that was not asked
    """

    name: str
    title: str
    of: str
    lines: Sequence[Line]
    verdicts: Sequence[Verdict]
    rows: int | None
    compared: int | None


def outcome(case: Case, measured: Sequence[Measured], *, compared: int | None) -> Outcome:
    """Sum up the runs of a case."""
    of = {each.way: each for each in measured}
    lines = [Line(m.way, m.wall, m.cpu, m.peak / 1e6, m.seconds, len(m.samples)) for m in measured]
    verdicts = [_verdict(goal, of) for goal in case.goals]
    return Outcome(case.name, case.title, case.of, lines, verdicts, case.rows, compared)


def _verdict(goal: Goal, of: Mapping[str, Measured]) -> Verdict:
    reached = getattr(of[goal.way], goal.of)
    if not goal.peer:
        unit = "MB" if goal.of == "peak" else "seconds"
        figure = reached / 1e6 if goal.of == "peak" else reached
        return Verdict(f"{goal.way}, {OF[goal.of]} in {unit}", figure, goal.most)
    ratio = reached / getattr(of[goal.peer], goal.of)
    return Verdict(f"{goal.way} / {goal.peer}, {OF[goal.of]}", ratio, goal.most)


def value(line: Line, of: str) -> float:
    """Return what a case compares."""
    return {"wall": line.wall, "peak": line.peak, "seconds": line.inside}[of]


def cells(result: Outcome, line: Line) -> list[str]:
    """Return one row of a table: the ratio is that of the first way to this one."""
    rate = f"{result.rows / value(line, result.of):,.0f}" if result.rows else ""
    inside = f"{line.inside:.2f}" if line.inside else ""
    ratio = value(result.lines[0], result.of) / value(line, result.of)
    return [
        line.way,
        f"{line.wall:.2f}",
        inside,
        f"{line.cpu:.2f}",
        f"{line.peak:,.0f}",
        rate,
        f"{ratio:.2f}",
        str(line.runs),
    ]


def headings(result: Outcome) -> list[str]:
    """Return the heading of every column."""
    unit = "DAGs/s" if result.name == "factory" else "rows/s"
    first = f"{result.lines[0].way} / this"
    return ["way", "wall s", "inside s", "client CPU s", "peak MB", unit, first, "runs"]


def show(result: Outcome) -> None:
    """Print a case as a table, and its goals."""
    from rich.console import Console
    from rich.table import Table

    table = Table(title=result.title, title_justify="left")
    for number, heading in enumerate(headings(result)):
        table.add_column(heading, justify="right" if number else "left")
    for line in result.lines:
        table.add_row(*cells(result, line))
    console = Console(width=120)
    console.print(table)
    for verdict in result.verdicts:
        console.print(_said(verdict), style="green" if verdict.met else "red", highlight=False)
    if result.compared is not None:
        console.print(f"{result.compared:,} rows compared value by value: no difference")


def _said(verdict: Verdict) -> str:
    mark = "reached" if verdict.met else "NOT reached"
    return f"{verdict.text}: {verdict.ratio:.2f}, aimed at {verdict.most:.2f} or less: {mark}"


def page(
    found: Sequence[Outcome], text: str, machine: Mapping[str, object], *, order: Sequence[str]
) -> None:
    """Write the figures of a run into benchmarks/README.md; those of other cases stay.

    :param text: the table of HTTP clients, or nothing
    :param order: the names of all cases; a section of any other name is left out
    """
    stamp = (
        f"Measured {machine['at']} on {machine['cpus']} cores of {machine['model']}; load average "
        f"of the last 15 minutes: {machine['load']}."
    )
    before, _, rest = PAGE.read_text().partition(BEGIN)
    figures, _, after = rest.partition(END)
    sections = {part.split(":")[0].split()[0]: part for part in figures.split("### ")[1:]}
    sections |= {result.name: f"{_section(result)}\n{stamp}\n\n" for result in found}
    if text:
        sections["http_clients"] = f"http_clients\n\n```text\n{text.strip()}\n```\n\n{stamp}\n\n"
    shown = "".join(f"### {sections[name]}" for name in order if name in sections)
    PAGE.write_text(f"{before}{BEGIN}\n{shown}{END}{after}")


def _section(result: Outcome) -> str:
    lines = [f"{result.name}: {result.title}", "", "| " + " | ".join(headings(result)) + " |"]
    lines.append("|---|" + "--:|" * (len(headings(result)) - 1))
    lines += ["| " + " | ".join(cells(result, line)) + " |" for line in result.lines]
    lines.append("")
    lines += [f"- {_said(verdict)}" for verdict in result.verdicts]
    if result.compared is not None:
        lines.append(f"- {result.compared:,} rows compared value by value: no difference")
    return "\n".join(lines) + "\n"
