"""How TikTok pages: a cursor and ``has_more``, with a search's id, or up to a thousand rows.

A page may be short or empty and still have more after it, since what was deleted or hidden is left
out (https://developers.tiktok.com/doc/research-api-specs-query-videos).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field

from airflow_provider_spotify.core.errors import DataError
from airflow_provider_spotify.core.sources.web.pages import Page, Pagination, Position, dig


class CursorPages(Pagination):
    """``{cursor, max_count}`` in the body, until ``has_more`` says no.

    :param most: rows of the whole listing, ``cursor + max_count`` at most; None: all there are
    """

    kind: Literal["tiktok"] = "tiktok"
    size: int = Field(20, ge=1, description="rows of a page")
    most: int | None = None

    def params(self, position: Position, *, room: int | None = None) -> Mapping[str, Any]:
        """Return the cursor, if there is one, the search's id and the size."""
        size = self.size if room is None else max(1, min(self.size, room))
        if self.most is not None:
            size = min(size, self.most - int(position.get("token", 0)))
        given = {"cursor": position.get("token"), "search_id": position.get("search_id")}
        return {"max_count": size, **{k: v for k, v in given.items() if v is not None}}

    def following(self, position: Position, page: Page) -> Position | None:
        """Return the next cursor; None after the last page.

        :raises DataError: if there is more and no cursor that leads there
        """
        if not dig(page.body, "data.has_more"):
            return None
        token = dig(page.body, "data.cursor")
        if not isinstance(token, int) or isinstance(token, bool) or token <= 0:
            raise DataError(f"TikTok says that there is more and gives no cursor ({token!r})")
        if self.most is not None and token >= self.most:
            return None
        search = dig(page.body, "data.search_id") or position.get("search_id")
        return {"token": token, **({"search_id": str(search)} if search else {})}
