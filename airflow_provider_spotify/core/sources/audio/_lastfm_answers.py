"""What Last.fm's answers mean: errors in bodies, the wrong user's rows, XML turned into JSON.

Codes: https://www.last.fm/api/errorcodes and https://lastfm-docs.github.io/api-docs/codes;
what is wrong with the API: https://lastfm-docs.github.io/api-docs/bugs.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs, urlsplit

from airflow_provider_spotify.core.clients.http.errors import NotFound, RateLimited
from airflow_provider_spotify.core.errors import (
    AuthenticationError,
    ConfigurationError,
    ForbiddenError,
    ImporterError,
    TransientError,
)
from airflow_provider_spotify.core.sources.web.pages import dig

_PASSING = frozenset({2, 8, 11, 16})
_KEY = frozenset({4, 9, 10, 13, 14, 26})
_CLOSED = frozenset({15, 17})
_INVALID, _NO_RESOURCE, _TOO_FAST = 6, 7, 29
_LISTS = (
    ("tag_names", "tags", "tag"),
    ("tag_names", "toptags", "tag"),
    ("similar_names", "similar", "artist"),
    ("track_list", "tracks", "track"),
)
"""Lists inside a record: the column, and where its entries stand."""


def refusal(status: int, body: Any) -> ImporterError | None:
    """Return the error that a body holds, whatever its status; None if it holds none."""
    if not isinstance(body, dict) or "error" not in body:
        return None
    said = f"Last.fm: {str(body.get('message'))[:300]} (error {str(body['error'])[:20]})"
    try:
        code = int(body["error"])
    except (TypeError, ValueError):
        return None if status >= 400 else TransientError(said)
    if code == _TOO_FAST:
        # With status 429 the client reads Retry-After itself.
        return None if status == 429 else RateLimited(said)
    if code in _PASSING:
        return TransientError(said)
    if code in _KEY:
        return AuthenticationError(f"{said}; check the API key, the connection's password")
    if code in _CLOSED:
        return ForbiddenError(f"{said}; the profile is private, only its owner can open it")
    if code == _NO_RESOURCE or (code == _INVALID and "not" in said and "found" in said):
        return NotFound(f"{said}; check the name")
    return ConfigurationError(said)


def mistaken(url: str, body: Any) -> ImporterError | None:
    """Return an error if a list is another user's, or another page, than was asked for.

    The next answer is usually right, so the request is tried again.
    """
    asked = {name: found[0] for name, found in parse_qs(urlsplit(url).query).items()}
    found = (dig(each, "@attr") for each in _roots(body))
    about: Any = next((each for each in found if each), {})
    user = str(about.get("user", asked.get("user", "")))
    if "user" in asked and user.lower() != asked["user"].lower():
        return TransientError("Last.fm answered with another user's rows; they were not taken")
    page, pages = str(about.get("page", "")), str(about.get("totalPages", ""))
    within = page.isdigit() and pages.isdigit() and int(asked.get("page", 1)) <= int(pages)
    if "page" in asked and within and page != asked["page"]:
        return TransientError(f"Last.fm answered with page {page} instead of {asked['page']}")
    return None


def tidied(record: Mapping[str, Any], *, place: int, counted: bool) -> dict[str, Any]:
    """Return a record with its place in the list, and lists where XML has lost them.

    :param place: from 1, for lists that do not say it
    :param counted: what the list says is not its place: geo.getTopTracks begins each page at 0
    """
    given = None if counted else dig(record, "@attr.rank")
    found = {**record, "rank": given or place}
    for column, inside, one in _LISTS:
        if inside in record:
            within = listed(dig(record, f"{inside}.{one}"))
            named = column.endswith("_names")
            found[column] = [dig(each, "name") for each in within] if named else within
    return found


def listed(value: Any) -> list[Any]:
    """Return a list; one that had a single entry is given as that entry, an empty one as text."""
    if isinstance(value, list):
        return value
    return [value] if isinstance(value, dict) else []


def first_place(about: Any) -> int:
    """Return the place of a page's first row, from what the list says of its pages."""
    try:
        return (int(dig(about, "page")) - 1) * int(dig(about, "perPage")) + 1
    except (TypeError, ValueError):
        return 1


def _roots(body: Any) -> list[Any]:
    return list(body.values()) if isinstance(body, dict) else []
