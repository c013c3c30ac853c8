"""Reads YAML at libyaml's speed into plain data that remembers where each key stood.

It reads the YAML that a configuration needs, and leaves out the traps of YAML 1.1: only ``true``
and ``false`` are booleans (``NO`` is Norway, ``on`` a key), ``12:30`` and ``2026-01-31`` stay text
until a field asks for a time or a date, ``007`` stays text. Duplicate keys, keys that are not
text, and tags beyond the standard ones are problems. Anchors, aliases and ``<<`` work.

Events are composed here and not by ``yaml.compose``: libyaml's composer recurses in C and takes
the process down with it where a file nests some thousand levels deep (PyYAML 6.0.3).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

import yaml

from airflow_provider_spotify.core.config.problems import KeyPath, Problem, spell

MAX_DEPTH = 40
MAX_NODES = 200_000
"""Bounds on nesting and on what aliases may expand to; a tenant of 500 imports has 40,000 nodes."""

_STANDARD = "tag:yaml.org,2002:"
_WORDS: dict[str, Any] = {"": None, "~": None}
_WORDS |= dict.fromkeys(("null", "Null", "NULL"))
_WORDS |= dict.fromkeys(("true", "True", "TRUE"), True) | dict.fromkeys(
    ("false", "False", "FALSE"), False
)
_INTEGER = re.compile(r"[-+]?(?:0|[1-9][0-9_]{0,30})")
_FLOAT = re.compile(r"[-+]?(?:[0-9]+\.[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?|[-+]?\.inf|\.nan")


class Position(NamedTuple):
    """A place in a text; both count from 1."""

    line: int
    column: int


class Node:
    """One value with its place, and for a mapping the places of its keys.

    ``text`` is where the first character of a block of several lines (``|``) stands.
    """

    __slots__ = ("children", "column", "data", "keys", "line", "size", "text")

    def __init__(self, mark: Any, data: Any) -> None:
        self.line: int = mark.line + 1
        self.column: int = mark.column + 1
        self.data = data
        self.children: dict[Any, Node] = {}
        self.keys: dict[Any, Position] = {}
        self.size = 1
        self.text: Position | None = None

    @property
    def position(self) -> Position:
        """Where the value begins."""
        return Position(self.line, self.column)


class Found(NamedTuple):
    """How far a path could be followed: to which node, and where the last key stands."""

    node: Node
    key: Position
    depth: int


class Document(NamedTuple):
    """One YAML text: its data, and what was wrong with it as YAML."""

    file: str
    root: Node
    problems: tuple[Problem, ...]

    @property
    def data(self) -> dict[str, Any]:
        """The top-level mapping; empty if the text was not readable as one."""
        data: dict[str, Any] = self.root.data
        return data

    def follow(self, path: Sequence[str | int]) -> Found:
        """Go along a path as far as the document does."""
        found = Found(self.root, self.root.position, 0)
        for depth, step in enumerate(path, 1):
            child = found.node.children.get(step)
            if child is None:
                break
            found = Found(child, found.node.keys.get(step, child.position), depth)
        return found

    def problem(
        self,
        path: KeyPath,
        message: str,
        *,
        value: bool = False,
        place: tuple[int, int] | None = None,
    ) -> Problem:
        """Report something at a key, or with ``value`` at what stands behind it.

        :param place: line and column within a block of text, from 1
        """
        found = self.follow(path)
        line, column = found.node.position if value else found.key
        if place and (text := found.node.text):
            line, column = text.line + place[0] - 1, text.column + place[1] - 1
        told = path[: found.depth] if value else path
        return Problem(self.file, line, column, spell(told), message)


class _Mark(NamedTuple):
    line: int = 0
    column: int = 0


class _Unreadable(Exception):
    def __init__(self, mark: Any, message: str) -> None:
        super().__init__(message)
        self.mark = mark or _Mark()


def read(text: str, *, file: str) -> Document:
    """Read one YAML text; never raises, what is wrong is in ``problems``."""
    composer = _Composer(text)
    try:
        root = composer.document()
    except _Unreadable as error:
        composer.found.append((error.mark, str(error)))
        root = Node(_Mark(), {})
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark or _Mark()
        composer.found.append((mark, _explain(error, text, mark)))
        root = Node(_Mark(), {})
    except (yaml.YAMLError, UnicodeError):
        composer.found.append((_Mark(), "holds a character that YAML forbids; save it as UTF-8"))
        root = Node(_Mark(), {})
    places = [(Position(mark.line + 1, mark.column + 1), said) for mark, said in composer.found]
    return Document(file, root, tuple(Problem(file, *at, "", said) for at, said in places))


class _Composer:
    """Turns libyaml's events into nodes; bounded in depth and in size."""

    def __init__(self, text: str) -> None:
        self.found: list[tuple[Any, str]] = []
        self._text = text
        self._anchors: dict[str, Node] = {}

    def document(self) -> Node:
        """Compose the only document of the text, which must be a mapping."""
        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)(self._text)
        self._next = loader.get_event
        self._next()
        event = self._next()
        if isinstance(event, yaml.StreamEndEvent):
            raise _Unreadable(None, "the file is empty; it needs at least tenant: and imports:")
        root = self._node(self._next(), 0)
        self._next()
        after = self._next()
        if not isinstance(after, yaml.StreamEndEvent):
            message = "a second document begins here; one file describes one tenant"
            raise _Unreadable(after.start_mark, message)
        if not isinstance(root.data, dict):
            raise _Unreadable(_Mark(root.line - 1, root.column - 1), "the file must be a mapping")
        return root

    def _node(self, event: Any, depth: int) -> Node:
        if depth > MAX_DEPTH:
            raise _Unreadable(event.start_mark, f"nested more than {MAX_DEPTH} levels deep")
        kind = type(event)
        if kind is yaml.AliasEvent:
            if event.anchor not in self._anchors:
                raise _Unreadable(event.start_mark, _alias(event.anchor))
            return self._anchors[event.anchor]
        if kind is yaml.ScalarEvent:
            node = Node(event.start_mark, self._scalar(event))
            if event.style == "|":
                node.text = self._block(node.line)
        elif kind is yaml.MappingStartEvent:
            self._check_tag(event, "map")
            node = self._mapping(event, depth)
        else:
            self._check_tag(event, "seq")
            node = self._sequence(event, depth)
        if node.size > MAX_NODES:
            raise _Unreadable(event.start_mark, f"expands to more than {MAX_NODES:,} values")
        if event.anchor:
            self._anchors[event.anchor] = node
        return node

    def _block(self, line: int) -> Position:
        """Return where the text begins whose ``|`` stands on a line."""
        rest = self._text.splitlines()[line:]
        first = next((each for each in rest if each.strip()), "")
        return Position(line + 1, len(first) - len(first.lstrip(" ")) + 1)

    def _sequence(self, start: Any, depth: int) -> Node:
        data: list[Any] = []
        node = Node(start.start_mark, data)
        event = self._next()
        while type(event) is not yaml.SequenceEndEvent:
            child = self._node(event, depth + 1)
            node.children[len(data)] = child
            node.size += child.size
            data.append(child.data)
            event = self._next()
        return node

    def _mapping(self, start: Any, depth: int) -> Node:
        data: dict[str, Any] = {}
        node = Node(start.start_mark, data)
        merged: list[Node] = []
        event = self._next()
        while type(event) is not yaml.MappingEndEvent:
            key = self._key(event, depth)
            child = self._node(self._next(), depth + 1)
            if key == "<<" and event.implicit[0]:
                merged += self._merged(child, event.start_mark)
            elif key in data:
                first = node.keys[key].line
                self.found.append(
                    (event.start_mark, f"{key!r} is given twice; first on line {first}")
                )
            elif key is not None:
                mark = event.start_mark
                node.keys[key] = Position(mark.line + 1, mark.column + 1)
                self._adopt(node, key, child)
            event = self._next()
        for other in merged:
            for key, child in other.children.items():
                if key not in data:
                    node.keys[key] = other.keys[key]
                    self._adopt(node, key, child)
        return node

    @staticmethod
    def _adopt(node: Node, key: str, child: Node) -> None:
        node.children[key] = child
        node.data[key] = child.data
        node.size += child.size

    def _key(self, event: Any, depth: int) -> str | None:
        if type(event) is yaml.ScalarEvent:
            key = self._scalar(event)
            if isinstance(key, str):
                return key
            said = f"the key {event.value!r} is read as {_kind(key)}; write it in quotes"
        else:
            self._node(event, depth + 1)
            said = "a key must be text, not a list, a mapping or an alias"
        self.found.append((event.start_mark, said))
        return None

    def _merged(self, node: Node, mark: Any) -> list[Node]:
        """Return the mappings behind ``<<``, the first one winning."""
        nodes = list(node.children.values()) if isinstance(node.data, list) else [node]
        if all(isinstance(item.data, dict) for item in nodes):
            return nodes
        self.found.append((mark, "<< takes an alias of a mapping: <<: *name"))
        return []

    def _check_tag(self, event: Any, expected: str) -> None:
        if event.tag not in (None, "!", _STANDARD + expected):
            self.found.append((event.start_mark, _tag(event.tag)))

    def _scalar(self, event: Any) -> Any:
        value: str = event.value
        if event.tag is not None and event.tag != "!":
            return self._tagged(event)
        if not event.implicit[0]:
            return value
        return _plain(value)

    def _tagged(self, event: Any) -> Any:
        name = event.tag.removeprefix(_STANDARD)
        if name not in ("str", "int", "float", "bool", "null", "timestamp"):
            self.found.append((event.start_mark, _tag(event.tag)))
        return event.value if name in ("str", "timestamp") else _plain(event.value)


def _plain(value: str) -> Any:
    """Read an unquoted scalar as YAML 1.2's core schema would."""
    if value in _WORDS:
        return _WORDS[value]
    if value[0] in "+-.0123456789":
        if _INTEGER.fullmatch(value):
            return int(value.replace("_", ""))
        if _FLOAT.fullmatch(value):
            return float(value.replace(".inf", "inf").replace(".nan", "nan"))
    return value


def _kind(value: Any) -> str:
    if value is None:
        return "nothing"
    return "true or false" if isinstance(value, bool) else "a number"


def _tag(tag: str) -> str:
    name = tag.replace(_STANDARD, "!!")
    return f"the tag {name} is not allowed: a tenant's YAML is plain text, numbers and lists"


def _alias(name: str) -> str:
    return (
        f"*{name} repeats an anchor &{name} that is not defined above; "
        "a text that begins with * needs quotes"
    )


def _explain(error: yaml.MarkedYAMLError, text: str, mark: Any) -> str:
    """Say in words what libyaml found, and what is most likely meant."""
    lines = text.splitlines()
    line = lines[mark.line] if mark.line < len(lines) else ""
    here = line[mark.column : mark.column + 1]
    if "\t" in line[: mark.column + 1]:
        return "YAML is indented with spaces; there is a tab here"
    if here in ("@", "`", "%"):
        return f'a text that begins with {here} needs quotes, as in schedule: "@daily"'
    if "alias" in f"{error.context} {error.problem}":
        return 'a text that begins with * needs quotes, as in schedule: "*/10 * * * *"'
    if "mapping values are not allowed" in f"{error.problem}":
        return "a text that holds ': ' needs quotes; or this line is indented wrongly"
    said = f"{error.problem}".removeprefix("did not find ").removeprefix("found ")
    begun = f" {error.context}" if error.context else ""
    verb = "expected" if "did not find" in f"{error.problem}" else "found"
    return f"not YAML:{begun}, {verb} {said.removeprefix('expected ')}"
