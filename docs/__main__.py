"""Writes `docs/reference/`: `python -m docs`; with `--check` it only says what is old."""

from __future__ import annotations

import argparse
import inspect
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from airflow_provider_spotify.cli.catalogue import config_keys
from airflow_provider_spotify.core import errors, registry
from airflow_provider_spotify.core.config import plans, rules
from docs.examples import in_python, in_yaml

REFERENCE = Path(__file__).parent / "reference"
WRITTEN = "<!-- Written by `make docs` from the code. -->"


def main(arguments: Sequence[str] | None = None) -> int:
    """Write every page, or say which are old."""
    parser = argparse.ArgumentParser(prog="python -m docs", description=__doc__)
    parser.add_argument("--check", action="store_true")
    given = parser.parse_args(arguments)
    REFERENCE.mkdir(exist_ok=True)
    old = []
    for name, page in PAGES.items():
        file, text = REFERENCE / name, page()
        if not file.exists() or file.read_text("utf-8") != text:
            old.append(str(file))
            if not given.check:
                file.write_text(text, "utf-8")
    for name in old:
        print(f"{'old' if given.check else 'wrote'}: {name}")
    return 1 if given.check and old else 0


def sources() -> str:
    """Return the page of all sources: a row each, then the keys of each."""
    names = sorted(registry.sources())
    rows = [
        (
            f"[`{name}`](#{name})",
            registry.family(name),
            _code(registry.source(name).conn_type),
            _code(registry.source(name).extra),
            _first(sys.modules[registry.source(name).__module__]),
        )
        for name in names
    ]
    parts = [_table(("source", "family", "connection", "extra", "what it reads"), rows)]
    for name in names:
        kind = registry.source(name)
        said = _prose(sys.modules[kind.__module__]), _prose(kind.Config)
        parts += [f"## {name}", *dict.fromkeys(said), _keys(kind.Config)]
        parts += [in_yaml(name), in_python(name)]
    return _page("Sources", "The keys of `source:` for each `type`.", parts)


def destinations() -> str:
    """Return the page of all destinations."""
    parts = []
    for name in sorted(registry.sinks()):
        kind = registry.sink(name)
        parts += [f"## {name}", _prose(sys.modules[kind.__module__]), _keys(kind.Config)]
    return _page("Destinations", "The keys of `destination:` for each `type`.", parts)


def tenant() -> str:
    """Return the page of the YAML's own words."""
    parts: list[str] = []
    described = {
        "A tenant": plans.TenantPlan,
        "An import": plans.ImportSettings,
        "write": plans.WritePlan,
        "schedule": plans.SchedulePlan,
        "incremental": plans.IncrementalPlan,
        "wait_for": plans.WaitPlan,
        "checkpoint": plans.CheckpointPlan,
        "flush": plans.FlushPlan,
        "retries": plans.RetryPlan,
        "sla": plans.SlaPlan,
        "notify": plans.NotifyPlan,
        "privacy": rules.PrivacyPlan,
        "pii": rules.PiiPlan,
        "contract": rules.ContractPlan,
        "contract.columns": rules.ColumnPlan,
        "contract.columns.pii": rules.PiiRule,
    }
    for title, model in described.items():
        parts += [f"## {title}", _prose(model), _keys(model)]
    parts.append("## quality")
    checks = (
        rules.NotNull,
        rules.Unique,
        rules.InSet,
        rules.Range,
        rules.Length,
        rules.Matches,
        rules.RowCount,
        rules.Freshness,
        rules.Expression,
        rules.Anomaly,
    )
    for check in checks:
        (word,) = check.model_fields["check"].annotation.__args__  # type: ignore[union-attr]
        parts += [f"### {word}", _prose(check), _keys(check)]
    return _page("A tenant's YAML", "Every key, with its type and its default.", parts)


def failures() -> str:
    """Return the page of errors: what each means and what to do next."""
    tree = inspect.getdoc(errors) or ""
    kinds = [
        kind
        for _, kind in inspect.getmembers(errors, inspect.isclass)
        if issubclass(kind, errors.ImporterError)
    ]
    rows = [(f"`{kind.__name__}`", _first(kind)) for kind in kinds]
    drawn = "```text\n" + tree.split("::", 1)[1].strip("\n") + "\n```"
    lead = "Sorted by what the caller does next."
    return _page("Errors", lead, [drawn, _table(("error", "what it says"), rows)])


PAGES: dict[str, Callable[[], str]] = {
    "sources.md": sources,
    "destinations.md": destinations,
    "tenant.md": tenant,
    "errors.md": failures,
}


def _page(title: str, lead: str, parts: Iterable[str]) -> str:
    return "\n\n".join((f"# {title}", WRITTEN, lead, *(part for part in parts if part))) + "\n"


def _keys(config: Any) -> str:
    rows = [
        (f"`{key.key}`", key.type, _code(key.default), key.description)
        for key in config_keys(config)
    ]
    return _table(("key", "type", "default", ""), rows) if rows else "No keys of its own."


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join("| " + " | ".join(map(_cell, line)) + " |" for line in lines)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _code(text: str | None) -> str:
    return f"`{text}`" if text and text not in ("-", "required") else text or "-"


def _first(thing: Any) -> str:
    return (inspect.getdoc(thing) or "").strip().splitlines()[0]


def _prose(thing: Any) -> str:
    """Return a docstring as Markdown, without its field list."""
    text = (inspect.getdoc(thing) or "").split("\n:param", 1)[0].split("\n:raises", 1)[0]
    return text.replace("::\n", ":\n").replace("``", "`").strip()


if __name__ == "__main__":
    sys.exit(main())
