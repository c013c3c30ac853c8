"""Reads a GraphQL query's text: is it one, what does it declare, and what does it select.

Grammar: https://spec.graphql.org/October2021/#sec-Language. It needs graphql-core, so it is
imported inside functions only.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from graphql import GraphQLSyntaxError, SourceLocation, parse
from graphql.language import ast

from airflow_provider_spotify.core.config.problems import PlacedError


class Selection(NamedTuple):
    """One field that is selected.

    :param on: the type whose field it is, where a fragment says it
    :param inside: what is selected of it, each with the type of the fragment it stands in
    """

    name: str
    on: str | None
    inside: tuple[tuple[str | None, ast.SelectionSetNode], ...]


class Query:
    """One operation of a text.

    :raises ValueError: if it is no GraphQL, or not one operation that reads; it says where
    """

    def __init__(self, text: str, *, operation: str | None = None) -> None:
        document = parsed(text)
        found = [d for d in document.definitions if isinstance(d, ast.OperationDefinitionNode)]
        self._fragments = {
            each.name.value: each
            for each in document.definitions
            if isinstance(each, ast.FragmentDefinitionNode)
        }
        self._operation = _only(found, operation)
        self._known(self.root)

    @property
    def variables(self) -> Mapping[str, ast.VariableDefinitionNode]:
        """What the operation declares, by name."""
        declared = self._operation.variable_definitions or ()
        return {each.variable.name.value: each for each in declared}

    def type_of(self, variable: str) -> str:
        """Return the name of a variable's type, without lists and exclamation marks."""
        kind: Any = self.variables[variable].type
        while not isinstance(kind, ast.NamedTypeNode):
            kind = kind.type
        return str(kind.name.value)

    def required(self) -> list[str]:
        """Return the variables that must have a value."""
        return [
            name
            for name, each in self.variables.items()
            if isinstance(each.type, ast.NonNullTypeNode) and each.default_value is None
        ]

    @property
    def root(self) -> tuple[tuple[str | None, ast.SelectionSetNode], ...]:
        """What is selected at the top."""
        return ((None, self._operation.selection_set),)

    def fields(
        self, inside: Sequence[tuple[str | None, ast.SelectionSetNode]]
    ) -> dict[str, Selection]:
        """Return the fields of a selection by the name that they have in the answer."""
        found: dict[str, Selection] = {}
        for key, one in self._walk(inside, seen=frozenset()):
            if (known := found.get(key)) is not None:
                one = known._replace(inside=known.inside + one.inside)
            found[key] = one
        return found

    def select(self, path: Sequence[str]) -> Selection | None:
        """Return the field at a path of names in the answer; None if it is not selected."""
        inside: Any = self.root
        one: Selection | None = None
        for name in path:
            one = self.fields(inside).get(name)
            if one is None:
                return None
            inside = one.inside
        return one

    def _known(self, inside: Sequence[tuple[str | None, ast.SelectionSetNode]]) -> None:
        """Make sure that every fragment is there, however deep it is spread."""
        for one in self.fields(inside).values():
            self._known(one.inside)

    def _walk(
        self,
        inside: Sequence[tuple[str | None, ast.SelectionSetNode]],
        *,
        seen: frozenset[str],
    ) -> Iterator[tuple[str, Selection]]:
        for on, selection in inside:
            for node in selection.selections:
                if isinstance(node, ast.FieldNode):
                    own = ((None, node.selection_set),) if node.selection_set else ()
                    key = node.alias.value if node.alias else node.name.value
                    yield key, Selection(node.name.value, on, own)
                elif isinstance(node, ast.InlineFragmentNode):
                    kind = node.type_condition.name.value if node.type_condition else on
                    yield from self._walk(((kind, node.selection_set),), seen=seen)
                elif isinstance(node, ast.FragmentSpreadNode):
                    yield from self._spread(node.name.value, seen)

    def _spread(self, name: str, seen: frozenset[str]) -> Iterator[tuple[str, Selection]]:
        fragment = self._fragments.get(name)
        if fragment is None:
            raise ValueError(f"query has no fragment {name!r}")
        if name in seen:
            raise ValueError(f"query: fragment {name!r} contains itself")
        kind = fragment.type_condition.name.value
        yield from self._walk(((kind, fragment.selection_set),), seen=seen | {name})


def parsed(text: str) -> ast.DocumentNode:
    """Read a text.

    :raises PlacedError: if it is no GraphQL
    """
    try:
        return parse(text)
    except GraphQLSyntaxError as error:
        at = error.locations[0] if error.locations else SourceLocation(1, 1)
        said = f"query line {at.line}, column {at.column}: {error.message}"
        raise PlacedError(said, place=(at.line, at.column)) from None


def _only(
    found: Sequence[ast.OperationDefinitionNode], name: str | None
) -> ast.OperationDefinitionNode:
    if name is not None:
        found = [each for each in found if each.name and each.name.value == name]
    if len(found) != 1:
        said = f"has no operation {name!r}" if name else f"holds {len(found)} operations"
        raise ValueError(f"query {said}; name one of its operations in operation_name")
    if found[0].operation is not ast.OperationType.QUERY:
        raise ValueError(f"query is a {found[0].operation.value}; only a query reads")
    return found[0]
