"""What is said about a run, whatever the channel; it never holds a secret."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

from airflow_provider_spotify.core.errors import ImporterError

Event = Literal["failure", "sla", "success"]

_LONGEST = 1500
"""Characters of an error that are sent; the log has the rest."""


class Message(NamedTuple):
    """One piece of news.

    :param title: one line, without markup
    :param text: what is wrong and what to do
    :param facts: short values, in the order they are shown
    :param link: where to read on
    """

    event: Event
    title: str
    text: str
    facts: Mapping[str, str]
    link: str | None = None

    @property
    def plain(self) -> str:
        """The whole message as text, for logs and e-mail."""
        lines = [self.title, self.text, *(f"{name}: {value}" for name, value in self.facts.items())]
        return "\n".join([*(line for line in lines if line), *([self.link] if self.link else [])])


def failed(context: Mapping[str, Any], *, tenant: str, import_name: str) -> Message:
    """Describe a task that failed for good, from the context Airflow hands to its callback."""
    ti = context.get("ti") or context.get("task_instance")
    return Message(
        event="failure",
        title=f"Import {import_name} of {tenant} failed",
        text=_reason(context.get("exception")),
        facts=_facts(context, tenant=tenant, import_name=import_name),
        link=getattr(ti, "log_url", None),
    )


def succeeded(context: Mapping[str, Any], *, tenant: str, import_name: str) -> Message:
    """Describe a run whose import task succeeded."""
    ti = context.get("ti") or context.get("task_instance")
    return Message(
        event="success",
        title=f"Import {import_name} of {tenant} succeeded",
        text="",
        facts=_facts(context, tenant=tenant, import_name=import_name),
        link=getattr(ti, "log_url", None),
    )


def late(run: Mapping[str, Any], *, tenant: str, import_name: str, within: str) -> Message:
    """Describe a run that is still under way after its SLA.

    :param run: the run as the deadline's context gives it (Airflow's ``DAGRunResponse``)
    :param within: the SLA, as the YAML has it
    """
    facts = {
        "dag": str(run.get("dag_id", f"{tenant}__{import_name}")),
        "run": str(run.get("dag_run_id", "")),
        "state": str(run.get("state", "")),
        "queued at": str(run.get("queued_at", "")),
    }
    return Message(
        event="sla",
        title=f"Import {import_name} of {tenant} is late",
        text=f"It was to succeed within {within} of being queued and is still under way.",
        facts={name: value for name, value in facts.items() if value},
    )


def _facts(context: Mapping[str, Any], *, tenant: str, import_name: str) -> dict[str, str]:
    ti = context.get("ti") or context.get("task_instance")
    facts = {
        "dag": getattr(ti, "dag_id", f"{tenant}__{import_name}"),
        "run": context.get("run_id") or getattr(ti, "run_id", ""),
        "task": getattr(ti, "task_id", ""),
        "attempt": getattr(ti, "try_number", ""),
    }
    return {name: str(value) for name, value in facts.items() if value}


def _reason(error: object) -> str:
    """Say why: in full for our own errors, by its kind for a driver's, which may quote a DSN."""
    from airflow.sdk.exceptions import AirflowException

    if error is None:
        return "The task's log says why."
    if isinstance(error, ImporterError | AirflowException | str):
        return _shortened(str(error))
    return f"{type(error).__name__}; the task's log says more."


def _shortened(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]} …"
