"""The members of a cohort, which Amplitude computes first: request, wait, download.

https://amplitude.com/docs/apis/analytics/behavioral-cohorts
"""

from __future__ import annotations

import asyncio
import csv
import io
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from airflow_provider_spotify.core.errors import DataError, TransientError

if TYPE_CHECKING:
    from airflow_provider_spotify.core.clients.http.client import HttpClient, Response

_FIRST, _LONGEST = 1.0, 30.0
"""Seconds between two questions whether a cohort is computed; each wait doubles the one before."""
_COLUMNS = {"amplitude_id", "user_id"}


async def members(
    http: HttpClient, path: str, *, patience: float, first: float = _FIRST
) -> tuple[Response, dict[str, Any]]:
    """Return the answer with the file, and the members as records.

    :param path: asks for the cohort
    :param patience: seconds to wait for Amplitude to compute it
    :raises TransientError: if it takes longer, fails, or the request has ended (410)
    """
    asked = (await http.get_json(path)) or {}
    number = asked.get("request_id") if isinstance(asked, dict) else None
    if not number:
        raise TransientError(f"{path}: Amplitude's answer names no request_id")
    wait = first
    status = f"api/5/cohorts/request-status/{quote(str(number), safe='')}"
    while not await _computed(http, status):
        if patience <= 0:
            raise TransientError(f"{path}: Amplitude has not computed the cohort yet")
        await asyncio.sleep(wait)
        patience, wait = patience - wait, min(wait * 2, _LONGEST)
    file = f"api/5/cohorts/request/{quote(str(number), safe='')}/file"
    answer = await http.request("GET", file, headers={"Accept": "*/*"}, missing_ok=True)
    if answer.status in (404, 410):
        raise TransientError(f"{path}: the request has ended before its file was fetched")
    return answer, {"members": _rows(answer.body, path)}


async def _computed(http: HttpClient, path: str) -> bool:
    answer = await http.request("GET", path, missing_ok=True, is_json=True)
    if answer.status in (404, 410):
        raise TransientError(f"{path}: the request has ended; it is asked for again next time")
    said = answer.json()
    state = str(said.get("async_status", "")).upper() if isinstance(said, dict) else ""
    if answer.status == 202 or "PROGRESS" in state:
        return False
    if "COMPLETE" not in state:
        raise TransientError(
            f"{path}: Amplitude could not compute the cohort: {state or 'no state'}"
        )
    return True


def _rows(body: bytes, path: str) -> list[dict[str, Any]]:
    """Read the file: CSV with a header."""
    try:
        found = csv.DictReader(io.StringIO(body.decode("utf-8"), newline=""), strict=True)
        if not _COLUMNS & set(found.fieldnames or ()):
            raise DataError(f"{path}: the cohort's file has no column amplitude_id or user_id")
        return [{name: value or None for name, value in row.items() if name} for row in found]
    except (UnicodeDecodeError, csv.Error) as error:
        raise TransientError(f"{path}: the cohort's file is damaged: {error}") from None
