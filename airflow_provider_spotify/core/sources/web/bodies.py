"""Tells an answer without records from an answer that is no page of the listing at all."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow_provider_spotify.core.errors import DataError
from airflow_provider_spotify.core.sources.web.pages import dig


def require_page(body: Any, path: str | None, *, always: str | None, name: str) -> None:
    """Make sure that a good status brought a page: taking another body for an empty one loses rows.

    :param path: where the records stand; None: the body is the records
    :param always: path of what every good answer holds, for APIs that leave ``path`` out where they
        have no records
    :param name: of the listing, for messages
    :raises DataError: if it is empty, or holds neither the records nor what is always there
    """
    if body is None:
        raise DataError(f"{name}: the API answered with an empty body or null instead of a page")
    if path is None:
        return
    if not isinstance(body, Mapping):
        if isinstance(body, list) and body and all(isinstance(each, Mapping) for each in body):
            return  # pages in a list: each is walked through
        raise DataError(f"{name}: the API answered with no JSON object, so it has no {path!r}")
    wanted = always or path
    if not _there(body, wanted):
        keys = ", ".join(repr(str(key)[:30]) for key in list(body)[:5]) or "nothing"
        raise DataError(
            f"{name}: the answer has no {wanted!r}, only {keys}; if the API leaves the records out"
            " where it has none, name in `always` what every good answer holds"
        )


def _there(body: Any, path: str) -> bool:
    """Say whether a path leads to something, which may be null; lists are walked through."""
    if isinstance(body, list):
        return not body or any(_there(each, path) for each in body)
    if not isinstance(body, Mapping):
        return False
    if path in body or dig(body, path) is not None:
        return True
    first, dot, rest = path.partition(".")
    return bool(dot) and first in body and (body[first] is None or _there(body[first], rest))
