"""Compiles one tenant's YAML: lays the defaults under it, validates it, judges the whole."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeVar

from pydantic import ValidationError

from airflow_provider_spotify.core import registry
from airflow_provider_spotify.core.config.checks import (
    after_findings,
    connection_findings,
    import_findings,
    reread_finding,
)
from airflow_provider_spotify.core.config.cron import timezone_problem
from airflow_provider_spotify.core.config.defaults import HEAD_KEYS, Defaults, version_problem
from airflow_provider_spotify.core.config.document import Document, read
from airflow_provider_spotify.core.config.explain import complaints, shown
from airflow_provider_spotify.core.config.layers import Layer, Layered, lay
from airflow_provider_spotify.core.config.plans import (
    API_VERSION,
    DestinationPlan,
    ImportPlan,
    ImportSettings,
    SourcePlan,
    TenantPlan,
)
from airflow_provider_spotify.core.config.problems import Problem, did_you_mean, in_order
from airflow_provider_spotify.core.config.secrets import literal_secrets
from airflow_provider_spotify.core.errors import ConfigurationError
from airflow_provider_spotify.core.model import Frozen

TENANT_KEYS = (*HEAD_KEYS, "destination", "defaults", "imports")
IMPORT_KEYS = tuple(name for name in ImportPlan.model_fields if name not in ("tenant", "name"))
SETTINGS = tuple(ImportSettings.model_fields)
_OF_ALL_IMPORTS = ("destination", "privacy")
"""The keys at the top of a tenant's YAML that an import may say otherwise."""

Block = TypeVar("Block", SourcePlan, DestinationPlan)


class Compiled(NamedTuple):
    """What became of one file: a plan, or the problems that stand in its way."""

    document: Document
    text: str
    plan: TenantPlan | None
    problems: tuple[Problem, ...]

    @property
    def tenant(self) -> str | None:
        """The tenant that the file names, whether or not it compiled."""
        name = self.document.data.get("tenant")
        return name if isinstance(name, str) else None


def compile_tenant(text: str, *, file: str, defaults: Defaults) -> Compiled:
    """Compile one YAML text; never raises, every problem of the file is in the result."""
    document = read(text, file=file)
    problems = [*document.problems, *literal_secrets(document, text)]
    plan = None
    if document.data:
        compiler = _Compiler(document, defaults)
        plan = compiler.tenant()
        problems += compiler.problems
    return Compiled(document, text, None if problems else plan, in_order(problems))


class _Compiler:
    """Gathers the problems of one document on the way to its plan."""

    def __init__(self, document: Document, defaults: Defaults) -> None:
        self.problems: list[Problem] = []
        self._document = document
        self._data = document.data
        name = self._data.get("tenant")
        self._name = name if isinstance(name, str) else "tenant"
        self._below = defaults.document
        self._shared = defaults.filled(self._name)
        self._connections = defaults.shared

    def tenant(self) -> TenantPlan | None:
        """Compile the document; None, and problems, if it cannot be."""
        layers = [Layer(self._document, (), self._data), Layer(self._below, (), self._shared)]
        head = lay(layers)
        if said := version_problem(head.data.get("apiVersion", API_VERSION)):
            self.problems.append(head.problem(("apiVersion",), said, value=True))
            return None
        self._unknown(Layered(layers[:1], self._data), TENANT_KEYS)
        self._sections()
        fields = {key: head.data[key] for key in HEAD_KEYS if key in head.data}
        self._head(head, fields)
        plans = {name: self._import(name, body) for name, body in self._imports().items()}
        self._after()
        if self.problems:
            return None
        return TenantPlan.model_validate({**fields, "imports": plans})

    def _unknown(self, place: Layered, known: tuple[str, ...]) -> None:
        for key in place.data:
            if key not in known:
                said = f"unknown key {key!r}; {did_you_mean(key, known)}"
                self.problems.append(place.problem((key,), said))

    def _sections(self) -> None:
        for key in ("defaults", "imports", "destination", "privacy"):
            value = self._data.get(key, {})
            if not isinstance(value, Mapping):
                said = f"expected a mapping of keys to values, not {shown(value)}"
                self._report((key,), said)
        settings = _mapping(self._data.get("defaults"))
        place = Layered([Layer(self._document, ("defaults",), settings)], dict(settings))
        self._unknown(place, SETTINGS)

    def _head(self, head: Layered, fields: dict[str, Any]) -> None:
        try:
            TenantPlan.model_validate({**fields, "imports": {}})
        except ValidationError as error:
            found = complaints(error, model=TenantPlan, data=fields)
            self.problems += head.problems(found)
        if "__" in self._name or self._name.endswith("_"):
            said = "a tenant's name holds no '__' and does not end in '_': <tenant>__ begins the "
            self._report(("tenant",), said + "names of its DAGs and connections, and of no other's")
        zone = head.data.get("timezone")
        if isinstance(zone, str) and (zone_said := timezone_problem(zone)):
            self.problems.append(head.problem(("timezone",), zone_said, value=True))
        for key in ("notify", "privacy"):
            self._connected(head, key)

    def _connected(self, place: Layered, key: str) -> None:
        value = place.data.get(key)
        if isinstance(value, Mapping | list):
            found = connection_findings(
                value, tenant=self._name, shared=self._connections, path=(key,)
            )
            self.problems += [place.problem(path, said, value=True) for path, said in found]

    def _imports(self) -> dict[str, dict[str, Any]]:
        """Return the imports that can be looked at further."""
        imports = _mapping(self._data.get("imports"))
        if not imports:
            said = "names no import; write imports: {plays: {source: {type: csv, …}}}"
            self._report(("imports",), said)
        for name, body in imports.items():
            if not re.fullmatch(r"[a-z][a-z0-9_]{0,62}", name):
                said = "is not a name: use a-z, 0-9 and _, beginning with a letter"
                self._report(("imports", name), f"{shown(name)} {said}", value=False)
            if not isinstance(body, Mapping):
                said = f"expected a mapping with source: and table:, not {shown(body)}"
                self._report(("imports", name), said)
        return {name: body for name, body in imports.items() if isinstance(body, dict)}

    def _import(self, name: str, body: dict[str, Any]) -> ImportPlan | None:
        place = self._layered(name, body)
        self._unknown(place, IMPORT_KEYS)
        data = {"table": name, **{k: v for k, v in place.data.items() if k in IMPORT_KEYS}}
        data["source"] = self._block(place, "source", SourcePlan, registry.source)
        data["destination"] = self._block(place, "destination", DestinationPlan, registry.sink)
        for key in ("source", "destination", "privacy"):
            self._connected(place, key)
        data |= {"tenant": self._name, "name": name}
        try:
            plan = ImportPlan.model_validate(data)
        except ValidationError as error:
            found = complaints(error, model=ImportPlan, data=data)
            given = (*place.data, "source", "destination")
            # what is taken from names is reported where the names stand
            found = [item for item in found if not item.path or item.path[0] in given]
            self.problems += place.problems(found)
            return None
        findings = [*import_findings(plan), *reread_finding(plan, self._rereads(plan))]
        self.problems += [place.problem(at, said, value=True) for at, said in findings]
        return plan

    @staticmethod
    def _rereads(plan: ImportPlan) -> str | None:
        """Ask the source, without its credentials, whether rows come again."""
        if plan.source.type == "unknown":
            return None  # it has been reported
        source = registry.source(plan.source.type)
        if not isinstance(plan.source.config, source.Config):
            return None  # what is wrong with its keys has been reported
        reason: str | None = source(plan.source.config).rereads()
        return reason

    def _layered(self, name: str, body: dict[str, Any]) -> Layered:
        return lay(
            [
                Layer(self._document, ("imports", name), body),
                Layer(self._document, ("defaults",), self._settings(self._data)),
                Layer(self._document, (), _of_all(self._data)),
                Layer(self._below, ("defaults",), self._settings(self._shared)),
                Layer(self._below, (), _of_all(self._shared)),
            ]
        )

    @staticmethod
    def _settings(data: Mapping[str, Any]) -> dict[str, Any]:
        return {k: v for k, v in _mapping(data.get("defaults")).items() if k in SETTINGS}

    def _block(
        self, place: Layered, key: str, plan: type[Block], find: Callable[[str], Any]
    ) -> Block:
        """Compile ``source:`` or ``destination:``; its type decides which keys it has."""
        nothing = plan(type="unknown", config=Frozen())
        raw = place.data.get(key)
        if not isinstance(raw, Mapping) or not isinstance(raw.get("type"), str):
            said = f"{key!r} is missing: write {key}: {{type: …}}"
            at = (key,) if raw is None or not isinstance(raw, Mapping) else (key, "type")
            self.problems.append(place.problem(at, said))
            return nothing
        try:
            kind = find(raw["type"]).Config
        except (ConfigurationError, ImportError, AttributeError) as error:
            self.problems.append(place.problem((key, "type"), str(error), value=True))
            return nothing
        outer = {k: raw[k] for k in ("type", "connection") if k in raw}
        rest = {k: v for k, v in raw.items() if k not in outer}
        checked = self._validated(place, key, kind, rest)
        return (
            self._validated(place, key, plan, {**outer, "config": checked or Frozen()}) or nothing
        )

    def _validated(self, place: Layered, key: str, model: Any, data: dict[str, Any]) -> Any:
        try:
            return model.model_validate(data)
        except ValidationError as error:
            found = complaints(error, model=model, data=data)
            self.problems += place.problems(found, under=(key,))
            return None

    def _after(self) -> None:
        imports = _mapping(self._data.get("imports"))
        earlier = {name: _texts(_mapping(body).get("after")) for name, body in imports.items()}
        for name, (path, said) in after_findings(earlier):
            self._report(("imports", name, *path), said)

    def _report(self, path: tuple[str | int, ...], message: str, *, value: bool = True) -> None:
        self.problems.append(self._document.problem(path, message, value=value))


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _texts(value: Any) -> list[str]:
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []


def _of_all(data: Mapping[str, Any]) -> dict[str, Any]:
    return {key: data[key] for key in _OF_ALL_IMPORTS if isinstance(data.get(key), Mapping)}
