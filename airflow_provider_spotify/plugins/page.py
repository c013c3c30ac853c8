"""The health page: plain HTML that loads nothing from anywhere else."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from airflow_provider_spotify.core.config.problems import Problem
from airflow_provider_spotify.plugins.status import ImportStatus, summary

_STYLE = """
:root { color-scheme: light dark; --line: #8884; --soft: #8882 }
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 72rem; padding: 0 1rem }
h1 { font-size: 1.4rem } h2 { font-size: 1.1rem; margin-top: 2rem }
table { border-collapse: collapse; width: 100% }
th, td { text-align: left; padding: .4rem .7rem; border-bottom: 1px solid var(--line) }
th { font-weight: 600 } td.number { text-align: right; font-variant-numeric: tabular-nums }
.state { padding: .05rem .5rem; border-radius: .6rem; background: var(--soft) }
.loaded { background: #1a7f3733 } .running { background: #0969da33 }
.unreachable { background: #cf222e33 } pre { white-space: pre-wrap; background: var(--soft);
padding: .7rem; border-radius: .4rem }
"""
_COLUMNS = ("Import", "State", "Rows", "Rejected", "Took", "Last load (UTC)", "Freshness", "Table")


def overview(tenants: Sequence[str], *, statuses: Sequence[ImportStatus], base: str) -> str:
    """Return the page of all tenants that the reader may see, each linked to its own page."""
    rows = "".join(_tenant_row(name, _of(name, statuses), base=base) for name in tenants)
    heads = "".join(
        f'<th scope="col">{h}</th>' for h in ("Tenant", "Imports", "Loaded", "Needs a look")
    )
    body = f"<table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>"
    return _html("Imports", body if tenants else "<p>There is no tenant that you may see.</p>")


def tenant_page(
    tenant: str, *, statuses: Sequence[ImportStatus], problems: Sequence[Problem], base: str
) -> str:
    """Return one tenant's page: each import's state, rows, rejects and freshness."""
    root = base.removesuffix("/spotify-imports")
    rows = "".join(_import_row(status, root=root) for status in statuses)
    heads = "".join(f'<th scope="col">{head}</th>' for head in _COLUMNS)
    body = f'<p><a href="{escape(base)}/">All tenants</a></p>'
    if statuses:
        body += f"<table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>"
    if problems:
        listed = escape("\n".join(str(problem) for problem in problems))
        body += f"<h2>Problems in the YAML</h2><pre>{listed}</pre>"
    return _html(tenant, body)


def duration(seconds: float | None) -> str:
    """Write seconds for people: ``42 s``, ``7 min``, ``3 h``, ``2 d``."""
    if seconds is None:
        return "–"
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.1f} s"


def _tenant_row(name: str, statuses: Sequence[ImportStatus], *, base: str) -> str:
    counts = summary(statuses)
    link = f'<a href="{escape(base)}/tenants/{escape(name)}">{escape(name)}</a>'
    look = counts["never"] + counts["unreachable"]
    cells = (len(statuses), counts["loaded"], look)
    return f"<tr><td>{link}</td>{''.join(_number(str(cell)) for cell in cells)}</tr>"


def _import_row(status: ImportStatus, *, root: str) -> str:
    last = f"{status.last_load:%Y-%m-%d %H:%M:%S}" if status.last_load else "–"
    state = f"{status.state} ({status.error})" if status.error else status.state
    link = f'<a href="{escape(root)}/dags/{escape(status.dag_id)}" target="_top">'
    return (
        f"<tr><td>{link}{escape(status.name)}</a></td>"
        f'<td><span class="state {status.state}">{escape(state)}</span></td>'
        + _number(_count(status.rows))
        + _number(_count(status.rejected))
        + _number(duration(status.seconds))
        + f"<td>{last}</td>{_number(duration(status.age))}<td>{escape(status.table)}</td></tr>"
    )


def _of(name: str, statuses: Sequence[ImportStatus]) -> list[ImportStatus]:
    return [status for status in statuses if status.tenant == name]


def _number(text: str) -> str:
    return f'<td class="number">{escape(text)}</td>'


def _count(value: int | None) -> str:
    return "–" if value is None else f"{value:,}"


def _html(title: str, body: str) -> str:
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head>"
        f"<body><h1>{escape(title)}</h1>{body}</body></html>"
    )
