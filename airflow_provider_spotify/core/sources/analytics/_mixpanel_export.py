"""Tells whole exports of Mixpanel from broken ones, and events from each other."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.compute as pc

from airflow_provider_spotify.core.clients.http.body import Damaged
from airflow_provider_spotify.core.sources.web.progress import Slice

_LONGEST = 4 * 2**20
"""Bytes of a line that is looked at; a longer one is left to the parser."""


def complete(path: Path, now: Slice) -> bool:
    """Say whether a file has events.

    :raises Damaged: if its last line is no event, or one of another day
    """
    line = last_line(path)
    if not line:
        return False
    try:
        found = orjson.loads(line)
    except orjson.JSONDecodeError:
        if len(line) >= _LONGEST:
            return True
        raise Damaged(_said(line.decode(errors="replace"))) from None
    if not isinstance(found, dict) or "event" not in found:
        raise Damaged(_said(_error(found)))
    time = _time(found)
    if time and now.start and now.end and not now.start <= time < now.end:
        raise Damaged(
            f"Mixpanel's export from {now.start:%Y-%m-%d} holds an event of {time:%Y-%m-%d}; "
            "check timezone if every run says so"
        )
    return True


def identified(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Return events that all have an ``insert_id``: part of a key, where null may not be.

    One that was sent without gets a digest of all its properties, the same at each export.
    """
    ids = batch.column("insert_id")
    if not ids.null_count:
        return batch
    missing = pc.is_null(ids)
    texts = batch.column("properties").filter(missing).to_pylist()
    made = pa.array([_digest(text or "") for text in texts], pa.string())
    at = batch.schema.get_field_index("insert_id")
    return batch.set_column(at, batch.schema.field(at), pc.replace_with_mask(ids, missing, made))


def _digest(text: str) -> str:
    return f"~{hashlib.blake2b(text.encode(), digest_size=12).hexdigest()}"


def last_line(path: Path) -> bytes:
    """Return the last line of a file that has more than blanks in it."""
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - _LONGEST))
        return file.read().rstrip().rpartition(b"\n")[2]


def _error(found: Any) -> str:
    said = found.get("error", found) if isinstance(found, dict) else found
    return orjson.dumps(said).decode()


def _said(line: str) -> str:
    return f"Mixpanel's export was broken off; it ends with {line[:200]!r} instead of an event"


def _time(event: dict[str, Any]) -> datetime | None:
    properties = event.get("properties")
    time = properties.get("time") if isinstance(properties, dict) else None
    return datetime.fromtimestamp(time, UTC) if isinstance(time, int) else None
