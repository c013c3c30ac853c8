"""Statuses as Prometheus text: https://prometheus.io/docs/instrumenting/exposition_formats/."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from airflow_provider_spotify.plugins.status import ImportStatus

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class _Gauge(NamedTuple):
    name: str
    help: str
    value: Callable[[ImportStatus], float | None]


_GAUGES = (
    _Gauge("rows", "Rows of the last load.", lambda s: s.rows),
    _Gauge("rejected_rows", "Rows that the last load rejected.", lambda s: s.rejected),
    _Gauge("requests", "What the last load asked of an API.", lambda s: s.usage.get("requests")),
    _Gauge("cost_dollars", "What the last load cost by price list.", lambda s: s.usage.get("cost")),
    _Gauge("load_seconds", "How long the last load took.", lambda s: s.seconds),
    _Gauge("age_seconds", "Seconds since the last load committed.", lambda s: s.age),
    _Gauge(
        "last_load_timestamp_seconds",
        "When the last load committed.",
        lambda s: s.last_load.timestamp() if s.last_load else None,
    ),
    _Gauge("up", "Whether the ledger could be read.", lambda s: s.state != "unreachable"),
)


def exposition(statuses: Sequence[ImportStatus], *, broken: int) -> str:
    """Write every gauge of every import, and how many YAML files have problems."""
    lines = [line for gauge in _GAUGES for line in _lines(gauge, statuses)]
    name = "spotify_imports_broken_files"
    lines += [
        f"# HELP {name} YAML files with problems.",
        f"# TYPE {name} gauge",
        f"{name} {broken}",
    ]
    return "\n".join(lines) + "\n"


def _lines(gauge: _Gauge, statuses: Sequence[ImportStatus]) -> Iterator[str]:
    name = f"spotify_imports_{gauge.name}"
    yield f"# HELP {name} {gauge.help}"
    yield f"# TYPE {name} gauge"
    for status in statuses:
        value = gauge.value(status)
        if value is not None:
            yield f"{name}{{{_labels(status)}}} {float(value):.15g}"


def _labels(status: ImportStatus) -> str:
    labels = {"tenant": status.tenant, "import": status.name, "table": status.table}
    return ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items())


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
