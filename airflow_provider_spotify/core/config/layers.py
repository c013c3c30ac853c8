"""Lays mappings over each other, and remembers which file and line gave each key.

The order, weakest first: what is built in, ``_defaults.yaml``, the tenant, the import. Mappings
merge key by key; a list, a text or a number replaces what a weaker layer said, and so does a
``destination:`` of another ``type``. ``null`` unsets.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from airflow_provider_spotify.core.config.document import Document
from airflow_provider_spotify.core.config.explain import Complaint
from airflow_provider_spotify.core.config.problems import KeyPath, Problem


class Layer(NamedTuple):
    """A mapping, and where it stands: the document and the path inside it."""

    document: Document
    prefix: KeyPath
    data: Mapping[str, Any]


class Layered(NamedTuple):
    """Several layers, the strongest first, and what they say together."""

    layers: Sequence[Layer]
    data: dict[str, Any]

    def problem(
        self,
        path: KeyPath,
        message: str,
        *,
        value: bool = False,
        place: tuple[int, int] | None = None,
    ) -> Problem:
        """Report something in the layer that gave the key, or in the one that came nearest."""
        best, best_depth = self.layers[0], 0
        for layer in self.layers:
            if path and path[0] not in layer.data:
                continue
            found = layer.document.follow((*layer.prefix, *path))
            depth = found.depth - len(layer.prefix)
            whole = depth == len(path)
            if whole or (depth > 0 and not isinstance(found.node.data, dict)):
                best = layer
                break
            if depth > best_depth:
                best, best_depth = layer, depth
        return best.document.problem((*best.prefix, *path), message, value=value, place=place)

    def problems(self, complaints: Iterable[Complaint], *, under: KeyPath = ()) -> list[Problem]:
        """Report what validation found, below a path."""
        return [
            self.problem((*under, *c.path), c.message, value=c.value, place=c.place)
            for c in complaints
        ]


def lay(layers: Sequence[Layer]) -> Layered:
    """Merge layers, the strongest first."""
    data: dict[str, Any] = {}
    for layer in reversed(layers):
        data = merge(data, layer.data)
    return Layered(layers, data)


def merge(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Merge two mappings; neither is changed."""
    data = dict(below)
    for key, value in above.items():
        under = data.get(key)
        if (
            isinstance(value, Mapping)
            and isinstance(under, Mapping)
            and not _other(key, under, value)
        ):
            data[key] = merge(under, value)
        else:
            data[key] = value
    return data


def _other(key: str, under: Mapping[str, Any], value: Mapping[str, Any]) -> bool:
    """Say whether a destination names another type than the one it would be laid over."""
    return key == "destination" and "type" in value and value["type"] != under.get("type")


def fill(value: Any, *, tenant: str) -> Any:
    """Put the tenant's name in the place of ``{tenant}``; nothing else is ever expanded."""
    if isinstance(value, str):
        return value.replace("{tenant}", tenant)
    if isinstance(value, Mapping):
        return {key: fill(item, tenant=tenant) for key, item in value.items()}
    if isinstance(value, list):
        return [fill(item, tenant=tenant) for item in value]
    return value
