"""Keeps the templates of a tenant's YAML to the run itself: its dates, its name, its params."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from jinja2 import Environment, TemplateSyntaxError, meta

from airflow_provider_spotify.core.errors import ConfigurationError
from airflow_provider_spotify.hooks.options import is_late

OF_THE_RUN = frozenset(
    {
        *("ds", "ds_nodash", "ts", "ts_nodash", "ts_nodash_with_tz", "logical_date"),
        *("data_interval_start", "data_interval_end", "run_id", "params", "partition_key"),
    }
)
"""What such a template may use. ``conn``, ``var`` and ``ti`` would open other tenants' secrets."""


def refuse_foreign(value: Any, *, where: str) -> None:
    """Refuse a template that reaches beyond its own run, in a text or anywhere inside a value.

    :raises ConfigurationError: naming what it may not use, or why it cannot be read
    """
    for text in _texts(value):
        try:
            tree = Environment(autoescape=True).parse(text)
        except TemplateSyntaxError as error:
            raise ConfigurationError(f"{where}: {error.message} in the template {text!r}") from None
        foreign = meta.find_undeclared_variables(tree) - OF_THE_RUN
        foreign |= {"another file" for _ in meta.find_referenced_templates(tree)}
        if foreign:
            raise ConfigurationError(
                f"{where}: a template may not use {', '.join(sorted(foreign))};"
                f" it may use {', '.join(sorted(OF_THE_RUN))}"
            )


def _texts(value: Any) -> Iterator[str]:
    """Yield the templates in a value; parsing plain text cost 1.5 ms a task (2026-11-22)."""
    if isinstance(value, str):
        if is_late(value):
            yield value
    elif isinstance(value, Mapping):
        for pair in value.items():
            yield from _texts(pair)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _texts(item)
