"""What a filter, projection or pipeline may hold: Extended JSON, and nothing that runs code."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, time
from typing import Annotated, Any

from pydantic import BeforeValidator

_REFUSED: Mapping[str, str] = {
    **dict.fromkeys(("$where", "$function", "$accumulator"), "runs JavaScript on the server"),
    **dict.fromkeys(("$out", "$merge"), "writes to the database"),
    "$changeStream": "never ends; use mode: changes",
}


def _checked(value: Any) -> Any:
    """Read JSON from text, write YAML's dates as Extended JSON, refuse what does more than read.

    :raises ValueError: if it is not JSON, or holds a refused operator at any depth
    """
    if isinstance(value, str):
        value = json.loads(value)
    value = _plain(value)
    for key in _keys(value):
        if key in _REFUSED:
            raise ValueError(f"{key} is not allowed here: it {_REFUSED[key]}")
    return value


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if isinstance(value, datetime):
        aware = value if value.tzinfo else value.replace(tzinfo=UTC)
        return {"$date": aware.isoformat()}
    if isinstance(value, date):
        return _plain(datetime.combine(value, time(), UTC))
    return value


def _keys(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for key, each in value.items():
            yield key
            yield from _keys(each)
    elif isinstance(value, list):
        for each in value:
            yield from _keys(each)


Document = Annotated[
    Mapping[str, Any], BeforeValidator(_checked, json_schema_input_type=str | dict[str, Any])
]
Stages = Annotated[
    list[Mapping[str, Any]],
    BeforeValidator(_checked, json_schema_input_type=str | list[dict[str, Any]]),
]
