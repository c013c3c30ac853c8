"""Turns what pydantic found into sentences about the YAML that the reader wrote."""

from __future__ import annotations

import types
import typing
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, get_args, get_origin

from pydantic import BaseModel, ValidationError

from airflow_provider_spotify.core.config.problems import KeyPath, did_you_mean
from airflow_provider_spotify.core.config.secrets import looks_secret


class Complaint(NamedTuple):
    """One thing wrong with data; ``value`` says that it is about the value, not the key.

    :param place: line and column within a text of several lines, from 1
    """

    path: KeyPath
    message: str
    value: bool
    place: tuple[int, int] | None = None


def complaints(
    error: ValidationError, *, model: Any, data: Any, partial: bool = False
) -> list[Complaint]:
    """Explain a validation error in terms of the data that was validated.

    :param model: the model or type that refused the data
    :param data: what was validated; steps that pydantic adds for union branches are left out
    :param partial: data is a part that another layer completes, so nothing can be missing yet
    :return: at most one complaint for each path and kind; union branches are joined
    """
    found: dict[tuple[KeyPath, bool], list[str]] = {}
    places: dict[tuple[KeyPath, bool], tuple[int, int] | None] = {}
    for detail in error.errors(include_url=False):
        if partial and _incomplete(detail):
            continue
        path = _real(detail["loc"], data, detail["type"])
        about_key = detail["type"] in ("missing", "extra_forbidden", "union_tag_not_found")
        said = _sentence(detail, model)
        messages = found.setdefault((path, not about_key), [])
        places.setdefault((path, not about_key), _place(detail))
        if said not in messages:
            messages.append(said)
    return [
        Complaint(path, " or ".join(said), value, places[path, value])
        for (path, value), said in found.items()
    ]


def _place(detail: Any) -> tuple[int, int] | None:
    """Return where in a text a validator found what is wrong, if it said."""
    place: tuple[int, int] | None = getattr(detail.get("ctx", {}).get("error"), "place", None)
    return place


def _incomplete(detail: Any) -> bool:
    """Say whether a weaker layer's data is only unfinished, not wrong."""
    whole = detail["type"] == "value_error" and isinstance(detail["input"], Mapping)
    return whole or detail["type"] in ("missing", "union_tag_not_found")


def _real(loc: Sequence[str | int], data: Any, kind: str) -> KeyPath:
    """Keep the steps of a location that exist in the data, and the key that is missing from it."""
    path: list[str | int] = []
    at = data
    for index, step in enumerate(loc):
        if isinstance(at, Mapping) and step in at:
            at = at[step]
        elif isinstance(at, Sequence) and not isinstance(at, str) and isinstance(step, int):
            at = at[step] if step < len(at) else None
        elif not (index == len(loc) - 1 and kind == "missing"):
            continue
        path.append(step)
    return tuple(path)


def _sentence(detail: Any, model: Any) -> str:
    kind: str = detail["type"]
    context: dict[str, Any] = detail.get("ctx", {})
    if kind == "extra_forbidden":
        word = str(detail["loc"][-1])
        return f"unknown key {word!r}; {did_you_mean(word, fields_at(model, detail['loc'][:-1]))}"
    if kind == "missing":
        return f"{detail['loc'][-1]!r} is missing"
    if kind == "value_error":
        return _safe(str(context["error"]))
    if kind == "union_tag_not_found":
        return f"{context['discriminator']} is missing"
    if kind == "union_tag_invalid":
        tag, tags = str(context["tag"]), _quoted(context["expected_tags"])
        return f"{shown(tag)} is not known here; {did_you_mean(tag, tags)}"
    if kind in ("literal_error", "enum"):
        word = detail["input"]
        return f"{shown(word)} is not known here; {_among(word, context['expected'])}"
    return _scalar_sentence(kind, detail["input"], context) or _safe(str(detail["msg"]))


_EXPECTED = {
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "date": "a date such as 2026-01-31",
    "datetime": "a time such as 2026-01-31T08:00:00Z",
    "timezone": "a time with a zone, such as 2026-01-31T08:00:00Z",
    "time": "a time such as 30s, 15m or 2h",
    "url": "an address such as https://api.example.com",
    "list": "a list: [one, two]",
    "tuple": "a list: [one, two]",
    "set": "a list: [one, two]",
    "sequence": "a list: [one, two]",
    "dict": "a mapping of keys to values",
    "mapping": "a mapping of keys to values",
    "model": "a mapping of keys to values",
    "dataclass": "a mapping of keys to values",
}
_BOUNDS = {
    "greater_than": "greater than {gt}",
    "greater_than_equal": "at least {ge}",
    "less_than": "less than {lt}",
    "less_than_equal": "at most {le}",
    "too_short": "at least {min_length} long",
    "too_long": "at most {max_length} long",
    "string_too_short": "no shorter than {min_length}",
    "string_too_long": "no longer than {max_length}",
    "multiple_of": "a multiple of {multiple_of}",
}


def _scalar_sentence(kind: str, value: Any, context: Mapping[str, Any]) -> str | None:
    if kind in _BOUNDS:
        return f"{shown(value)} must be {_BOUNDS[kind].format(**context)}"
    if kind == "string_type":
        if isinstance(value, int | float):
            return f"{shown(value)} is read as {_read_as(value)}; as a text it needs quotes"
        return f"expected a text, not {_kind(value)}"
    if kind == "string_pattern_mismatch":
        return f"{shown(value)} {_pattern(str(context['pattern']))}"
    expected = _EXPECTED.get(kind.split("_", maxsplit=1)[0])
    return f"expected {expected}, not {shown(value)}" if expected else None


def _pattern(pattern: str) -> str:
    if pattern.startswith("^[a-z][a-z0-9_]"):
        return "is not a name: use a-z, 0-9 and _, beginning with a letter, at most 63 characters"
    if pattern.startswith("^(string|integer"):
        kinds = pattern[2 : pattern.index("|decimal")].replace("|", ", ")
        return f"is not a type; known: {kinds}, decimal(18,2)"
    return f"does not have the form {pattern}"


def _among(word: Any, expected: str) -> str:
    return did_you_mean(str(word), _quoted(expected))


def _quoted(expected: str) -> list[str]:
    """Split pydantic's ``'a', 'b' or 'c'`` into its words."""
    return [part.strip(" '") for part in expected.replace(" or ", ", ").split(",")]


def _read_as(value: Any) -> str:
    return "true or false" if isinstance(value, bool) else "a number"


def _kind(value: Any) -> str:
    if value is None:
        return "nothing"
    return "a list" if isinstance(value, list | tuple) else "a mapping"


def _safe(text: str) -> str:
    return "the value is not valid (it looks like a secret)" if looks_secret(text) else text


def shown(value: Any) -> str:
    """Show a value in a message: short, and never one that looks like a secret."""
    if value is None:
        return "nothing"
    if isinstance(value, Mapping | list | tuple):
        return _kind(value)
    if isinstance(value, str) and looks_secret(value):
        return "this value"
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}…"


def fields_at(model: Any, loc: Iterable[str | int]) -> list[str]:
    """Return the keys that YAML may have at a place inside a model."""
    types = list(_models(model))
    for step in loc:
        types = [inner for kind in types for inner in _step(kind, step)]
    names = {name: None for kind in types for name in _names(kind)}
    return list(names)


def _names(kind: Any) -> Iterator[str]:
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        yield from (field.alias or name for name, field in kind.model_fields.items())


def _step(kind: Any, step: str | int) -> Iterator[Any]:
    """Follow one step of a location: a field, an item, or the branch of a union."""
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        for name, field in kind.model_fields.items():
            if step in (name, field.alias):
                yield from _models(field.annotation)
                return
        if _tagged(kind, step):
            yield kind
    elif kind is not None:
        yield from _models(get_args(kind)[-1]) if get_args(kind) else ()


def _tagged(kind: type[BaseModel], step: str | int) -> bool:
    """Say whether a step is the tag of this branch of a union, or its name."""
    tags = (get_args(field.annotation) for field in kind.model_fields.values())
    return step == kind.__name__ or any(step in tag for tag in tags)


def _models(annotation: Any) -> Iterator[Any]:
    """Yield the models and containers inside an annotation."""
    origin = get_origin(annotation)
    if origin is typing.Annotated or origin is typing.Union or origin is types.UnionType:
        for inner in get_args(annotation):
            yield from _models(inner)
    elif origin is not None or (isinstance(annotation, type) and issubclass(annotation, BaseModel)):
        yield annotation
