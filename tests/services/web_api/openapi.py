"""Compares what a contract server answered with the API's published description."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import jsonschema
import orjson

from tests.services.web_api.server import HIDDEN, Call, Exchange

Json = dict[str, Any]
CONTRACTS = Path(__file__).parent / "contracts"


def check(
    system: str,
    exchanges: Iterable[Exchange],
    *,
    known: Collection[str] = (),
    absent: Collection[str] = (),
    parameters: Collection[str] = (),
) -> list[str]:
    """Return how exchanges differ from ``contracts/<system>.json``, each difference once.

    Served requests must be ones that the description allows; answers must have its fields and
    types, and no other field.

    :param known: fields that the API has and its description lacks: say in the test how it is known
    :param absent: required fields that the API leaves out by a later document
    :param parameters: parameters that the description leaves out, such as a key in the query
    """
    contract = Contract(load(system), known=known, absent=absent, parameters=parameters)
    return list(dict.fromkeys(said for each in exchanges for said in contract.differences(each)))


@cache
def load(system: str) -> Json:
    """Return the description of a system."""
    document: Json = json.loads((CONTRACTS / f"{system}.json").read_text())
    return document


class Contract:
    """One description, ready to compare."""

    def __init__(
        self,
        document: Json,
        *,
        known: Collection[str],
        absent: Collection[str],
        parameters: Collection[str],
    ) -> None:
        self._known = set(known)
        self._absent = set(absent)
        self._parameters = set(parameters)
        self._schemas: Json = _nullable(document["components"]["schemas"])
        prefix = urlsplit(document["servers"][0]["url"]).path.rstrip("/")
        templates = sorted(document["paths"], key=lambda path: path.count("{"))
        self._paths = [
            (re.compile(prefix + _pattern(path)), path, document["paths"][path])
            for path in templates
        ]

    def differences(self, exchange: Exchange) -> Iterator[str]:
        """Say what is not as published."""
        call = exchange.call
        found = next(((p, item) for r, p, item in self._paths if r.fullmatch(call.path)), None)
        if found is None:
            if call.status < 400:
                yield f"{call.method} {call.path}: served, but not in the description"
            return
        path, item = found
        where = f"{call.method} {path}"
        operation = item.get(call.method.lower())
        if operation is None:
            if call.status < 400:
                yield f"{where}: served, but the description has no such method"
            return
        if call.status < 400:
            yield from self._asked(where, operation, call.query)
            yield from self._sent(where, operation, exchange.sent)
        yield from self._answered(where, operation, exchange)

    def _asked(self, where: str, operation: Json, query: Mapping[str, str]) -> Iterator[str]:
        declared = {p["name"]: p for p in operation["parameters"] if p["in"] == "query"}
        for name in query.keys() - declared.keys() - self._parameters:
            yield f"{where}: served the unknown parameter {name}"
        for name, parameter in declared.items():
            if name not in query:
                if parameter.get("required"):
                    yield f"{where}: served without the required parameter {name}"
            elif query[name] != HIDDEN:
                schema = _nullable(parameter["schema"])
                value = self._typed(query[name], schema)
                yield from self._valid(f"{where}: parameter {name}", value, schema)

    def _typed(self, text: str, schema: Json) -> Any:
        """Return a parameter's text as the type that it stands for."""
        schema = self._resolved(schema)
        kinds = schema.get("type", ())
        kinds = [kinds] if isinstance(kinds, str) else kinds
        if "array" in kinds:
            return [self._typed(each, schema.get("items", {})) for each in text.split(",")]
        if "integer" in kinds and re.fullmatch(r"-?\d+", text):
            return int(text)
        if "number" in kinds and re.fullmatch(r"-?\d+(\.\d+)?", text):
            return float(text)
        return {"true": True, "false": False}.get(text, text) if "boolean" in kinds else text

    def _sent(self, where: str, operation: Json, sent: bytes) -> Iterator[str]:
        schema = _schema(operation.get("requestBody", {}))
        if schema is not None and sent:
            yield from self._compared(f"{where}: request", orjson.loads(sent), schema)

    def _answered(self, where: str, operation: Json, exchange: Exchange) -> Iterator[str]:
        status = str(exchange.call.status)
        answers = operation["responses"]
        answer = answers.get(status, answers.get(f"{status[0]}XX", answers.get("default")))
        if answer is None:
            if exchange.call.status < 400:
                yield f"{where}: answered {status}, which the description does not have"
            return
        schema = _schema(answer)
        if schema is None:
            return
        try:
            body = orjson.loads(exchange.body)
        except orjson.JSONDecodeError:
            yield f"{where}: answered {status} with no JSON"
            return
        yield from self._compared(f"{where} {status}", body, schema)

    def _compared(self, where: str, value: Any, schema: Json) -> Iterator[str]:
        schema = _nullable(schema)
        yield from self._valid(where, value, schema)
        for path in sorted(set(self._unknown(value, schema, ""))):
            yield f"{where}: {path} is not in the description"

    def _valid(self, where: str, value: Any, schema: Json) -> Iterator[str]:
        whole = {**schema, "components": {"schemas": self._schemas}}
        for error in jsonschema.Draft202012Validator(whole).iter_errors(value):
            lacks = error.validator == "required" and error.message.split("'")[1]
            if lacks in self._absent:
                continue
            yield f"{where}: {_place(error.absolute_path)} {error.message[:200]}"

    def _unknown(self, value: Any, schema: Json, at: str) -> Iterator[str]:
        """Name the fields of a value that no part of its schema has."""
        parts = list(self._parts(schema))
        if isinstance(value, list):
            items = [part["items"] for part in parts if "items" in part]
            for each in value if items else ():
                yield from self._unknown(each, {"allOf": items}, f"{at}[]")
        if not isinstance(value, dict):
            return
        fields: dict[str, list[Json]] = {}
        for part in parts:
            for name, below in part.get("properties", {}).items():
                fields.setdefault(name, []).append(below)
        free = not fields or any(part.get("additionalProperties") for part in parts)
        for name, below in value.items():
            if name in fields:
                yield from self._unknown(below, {"allOf": fields[name]}, f"{at}.{name}")
            elif not free and name not in self._known:
                yield f"{at}.{name}"

    def _parts(self, schema: Json) -> Iterator[Json]:
        """Return a schema and everything that it is made of."""
        schema = self._resolved(schema)
        yield schema
        for key in ("allOf", "oneOf", "anyOf"):
            for each in schema.get(key, ()):
                yield from self._parts(each)

    def _resolved(self, schema: Json) -> Json:
        while "$ref" in schema:
            schema = self._schemas[schema["$ref"].rpartition("/")[2]]
        return schema


def exchange_of(answer: httpx.Response) -> Exchange:
    """Return what a client of httpx asked and was answered."""
    asked = answer.request
    call = Call(asked.method, asked.url.path, dict(asked.url.params), answer.status_code, {})
    kind = answer.headers.get("Content-Type", "").partition(";")[0]
    return Exchange(call, asked.content, kind, answer.content)


def _pattern(path: str) -> str:
    """Return what a path's template matches; Google's end in a verb: ``{id}:runReport``."""
    part = "[^/:]+" if "}:" in path else "[^/]+"
    return re.sub(r"\\\{\w+\\\}", part, re.escape(path))


def _place(path: Iterable[Any]) -> str:
    return "".join("[]" if isinstance(step, int) else f".{step}" for step in path) or "it"


def _schema(part: Json) -> Json | None:
    found: Json | None = part.get("content", {}).get("application/json", {}).get("schema")
    return found


def _nullable(value: Any) -> Any:
    """Return schemas of OpenAPI 3.0 as those of JSON Schema: null is a type of its own."""
    if isinstance(value, list):
        return [_nullable(each) for each in value]
    if not isinstance(value, dict):
        return value
    found = {key: _nullable(each) for key, each in value.items()}
    if found.pop("nullable", False) is True:
        if isinstance(found.get("type"), str):
            found["type"] = [found["type"], "null"]
            if "enum" in found:
                found["enum"] = [*found["enum"], None]
        else:
            return {"anyOf": [found, {"type": "null"}]}
    return found
