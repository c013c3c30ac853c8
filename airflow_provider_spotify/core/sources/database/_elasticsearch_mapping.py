"""Reads Elasticsearch's mappings: what each field is, in all the indices that a read covers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

from airflow_provider_spotify.core.errors import ConfigurationError

Properties = Mapping[str, Mapping[str, Any]]

INTEGERS = frozenset({"byte", "short", "integer", "long", "token_count"})
FLOATS = frozenset({"half_float", "float", "double", "scaled_float"})
TEXTS = frozenset(
    {"text", "keyword", "match_only_text", "wildcard", "constant_keyword", "search_as_you_type"}
    | {"ip", "version", "binary", "counted_keyword", "pattern_text"}
)
JSON = frozenset(
    {"flattened", "percolator", "rank_features", "sparse_vector", "histogram", "completion"}
    | {"aggregate_metric_double", "passthrough"}
)
"""Types whose keys are data: such a column is text that holds JSON."""


class Mapped(NamedTuple):
    """One field.

    :param types: its types, more than one where indices differ
    :param formats: the ``format`` of a date
    :param children: the fields of an object, by name
    """

    types: frozenset[str]
    formats: frozenset[str | None] = frozenset()
    children: Mapping[str, Mapped] = {}

    @property
    def one(self) -> str | None:
        """The type, or the widest of several that hold one another; None if they do not."""
        for family, widest in ((INTEGERS, "long"), (INTEGERS | FLOATS, "double"), (TEXTS, "text")):
            if self.types <= family:
                return next(iter(self.types)) if len(self.types) == 1 else widest
        if self.types == {"date", "date_nanos"}:
            return "date_nanos"
        return next(iter(self.types)) if len(self.types) == 1 else None


def fields_of(mappings: Mapping[str, Any]) -> dict[str, Mapped]:
    """Return the fields of several indices, by name; a field may be in some of them only.

    :raises ConfigurationError: if an index does not keep the documents it was given
    """
    for index, mapping in mappings.items():
        if mapping.get("_source", {}).get("enabled") is False:
            raise ConfigurationError(
                f"index {index} has _source disabled: it does not keep its documents"
            )
    return _merged([mapping.get("properties", {}) for mapping in mappings.values()])


def _merged(several: Sequence[Properties]) -> dict[str, Mapped]:
    found: dict[str, Mapped] = {}
    for name in dict.fromkeys(name for properties in several for name in properties):
        each = [properties[name] for properties in several if name in properties]
        if any(one.get("type") == "alias" for one in each):
            continue  # another name of a field; it is in no document
        found[name] = Mapped(
            frozenset(_type(one) for one in each),
            frozenset(one.get("format") for one in each),
            _merged([one.get("properties", {}) for one in each]),
        )
    return found


def _type(one: Mapping[str, Any]) -> str:
    kind = str(one.get("type", "object"))
    # An object that is not looked into holds anything.
    return "flattened" if kind == "object" and one.get("enabled") is False else kind


def find(fields: Mapping[str, Mapped], path: str) -> Mapped | None:
    """Return the field of a dotted path."""
    for name, mapped in fields.items():
        if name == path:
            return mapped
        if path.startswith(f"{name}.") and (inner := find(mapped.children, path[len(name) + 1 :])):
            return inner
    return None


def paths(fields: Mapping[str, Mapped], before: str = "") -> Iterator[str]:
    """Yield the dotted path of every field that is no object."""
    for name, mapped in fields.items():
        if mapped.children:
            yield from paths(mapped.children, f"{before}{name}.")
        else:
            yield f"{before}{name}"


def chosen(
    fields: Mapping[str, Mapped],
    *,
    include: Sequence[str] | None,
    exclude: Sequence[str],
    before: str = "",
) -> dict[str, Mapped]:
    """Leave out what source filtering leaves out (patterns of dotted paths)."""
    found: dict[str, Mapped] = {}
    for name, mapped in fields.items():
        path = f"{before}{name}"
        if any(fnmatchcase(path, pattern) for pattern in exclude):
            continue
        named = include is None or any(fnmatchcase(path, pattern) for pattern in include)
        below = None if named else include
        children = chosen(mapped.children, include=below, exclude=exclude, before=f"{path}.")
        if (named and not mapped.children) or children:
            found[name] = mapped._replace(children=children)
    return found


def holds_vectors(fields: Mapping[str, Mapped]) -> bool:
    """Say whether a field is a vector: from 9.2 on, answers leave vectors out unless asked."""
    vectors = {"dense_vector", "sparse_vector", "rank_vectors", "semantic_text"}
    return any(
        not vectors.isdisjoint(mapped.types) or holds_vectors(mapped.children)
        for mapped in fields.values()
    )
