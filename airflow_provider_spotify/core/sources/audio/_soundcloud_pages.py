"""SoundCloud's linked partitioning: each page names the next by an address, ``next_href``.

Guide: https://developers.soundcloud.com/docs/api/guide#pagination. The addresses have been wrong in
three ways: on an internal host (https://github.com/soundcloud/api/issues/309), without the
parameters of the first request (https://github.com/soundcloud/api/issues/58), and of the page
itself (https://github.com/soundcloud/api/issues/12). What counts in them is their query.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal
from urllib.parse import parse_qsl, urlencode, urlsplit

from pydantic import Field

from airflow_provider_spotify.core.sources.web.pages import Page, Pagination, Position, dig

OURS = frozenset(
    {
        *("linked_partitioning", "access", "show_tracks", "sort", "q"),
        *("created_at[from]", "created_at[to]"),
    }
)
"""What every request says by itself: not kept in a cursor, and not left to the address."""


class LinkedPartitions(Pagination):
    """The first request's parameters, and what the address that a page names adds to them.

    Pages may be short or empty: only one without an address is the last.
    """

    kind: Literal["linked_partitions"]
    next: str = Field("next_href", description="path of the address in the body")
    size: int | None = Field(
        200, ge=1, le=200, description="rows of a page, at most; none: not to be asked for"
    )

    def params(self, position: Position, *, room: int | None = None) -> Mapping[str, Any]:
        """Return what the address asked for; for the first page, its size."""
        if "token" in position:
            return dict(parse_qsl(str(position["token"])))
        if self.size is None:
            return {}
        return {"limit": self.size if room is None else max(1, min(self.size, room))}

    def following(self, position: Position, page: Page) -> Position | None:
        """Return what the address that the body names asks for, if there is one."""
        url = dig(page.body, self.next)
        if not url:
            return None
        asked = parse_qsl(urlsplit(str(url)).query)
        return {"token": urlencode([(name, text) for name, text in asked if name not in OURS])}
