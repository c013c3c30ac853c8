"""Reads ``_defaults.yaml``: what a folder says once for all of its tenants.

Its keys are those of a tenant without ``tenant`` and ``imports``, and ``shared_connections``.
``{tenant}`` in any of its texts stands for the tenant's name, as in
``destination: {type: duckdb, path: "warehouse/{tenant}.duckdb"}``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from pydantic import ValidationError

from airflow_provider_spotify.core.config.document import Document, read
from airflow_provider_spotify.core.config.explain import complaints
from airflow_provider_spotify.core.config.layers import Layer, fill, lay
from airflow_provider_spotify.core.config.plans import (
    API_VERSION,
    ConnectionId,
    DestinationPlan,
    ImportSettings,
    TenantPlan,
)
from airflow_provider_spotify.core.config.problems import Problem, did_you_mean
from airflow_provider_spotify.core.config.secrets import literal_secrets
from airflow_provider_spotify.core.model import Frozen

FILE_NAME = "_defaults.yaml"
HEAD_KEYS = tuple(
    field.alias or name for name, field in TenantPlan.model_fields.items() if name != "imports"
)
"""The keys at the top of a tenant's YAML that become fields of its plan."""


class Defaults(NamedTuple):
    """What a folder's ``_defaults.yaml`` says."""

    document: Document
    text: str

    @property
    def shared(self) -> frozenset[str]:
        """The connections that every tenant may use."""
        return frozenset(self.document.data.get("shared_connections") or ())

    def filled(self, tenant: str) -> dict[str, Any]:
        """Return the data as one tenant sees it."""
        data: dict[str, Any] = fill(self.document.data, tenant=tenant)
        return data


NO_DEFAULTS = Defaults(read("{}", file=FILE_NAME), "")


class _Shared(Frozen):
    shared_connections: tuple[ConnectionId, ...] = ()


def read_defaults(text: str, *, file: str = FILE_NAME) -> tuple[Defaults, list[Problem]]:
    """Read the text of a ``_defaults.yaml`` and judge what can be judged without a tenant."""
    document = read(text, file=file)
    problems = [*document.problems, *literal_secrets(document, text)]
    if said := version_problem(document.data.get("apiVersion", API_VERSION)):
        problems.append(document.problem(("apiVersion",), said, value=True))
    elif not document.problems:
        problems += _judge(document)
    return Defaults(document, text), problems


def version_problem(version: Any) -> str | None:
    """Say what to do about an ``apiVersion`` that this release cannot read."""
    if version == API_VERSION:
        return None
    return (
        f"apiVersion {version!r} is not known; this release reads {API_VERSION}: write "
        f"apiVersion: {API_VERSION}, or install the release of airflow-provider-spotify that "
        f"reads {version!r}"
    )


def _judge(document: Document) -> list[Problem]:
    data = fill(document.data, tenant="tenant")
    known = (*HEAD_KEYS, "destination", "defaults", "shared_connections")
    problems = [
        document.problem((key,), f"unknown key {key!r}; {did_you_mean(key, known)}")
        for key in data
        if key not in known or key == "tenant"
    ]
    head = {key: value for key, value in data.items() if key in HEAD_KEYS and key != "tenant"}
    problems += _partial(document, (), TenantPlan, head)
    shared = {k: v for k, v in data.items() if k == "shared_connections"}
    problems += _partial(document, (), _Shared, shared)
    if "defaults" in data:
        problems += _partial(document, ("defaults",), ImportSettings, data["defaults"])
    destination = data.get("destination", {})
    if isinstance(destination, Mapping):
        outer = {k: v for k, v in destination.items() if k in ("type", "connection")}
        problems += _partial(document, ("destination",), DestinationPlan, outer)
    else:
        said = "expected a mapping: destination: {type: duckdb, path: …}"
        problems.append(document.problem(("destination",), said, value=True))
    return problems


def _partial(document: Document, path: tuple[str, ...], model: Any, data: Any) -> list[Problem]:
    try:
        model.model_validate(data)
    except ValidationError as error:
        place = lay([Layer(document, path, data if isinstance(data, Mapping) else {})])
        found = complaints(error, model=model, data=data, partial=True)
        return place.problems(found)
    return []
