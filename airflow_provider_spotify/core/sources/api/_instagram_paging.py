"""How the Graph API pages: cursors that end, pages that are empty, and a token in every link.

https://developers.facebook.com/docs/graph-api/results: paging goes on while ``next`` is there,
whatever a page holds. The link repeats the access token, so only its cursor is kept.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal
from urllib.parse import parse_qs, urlsplit

from pydantic import Field

from airflow_provider_spotify.core.errors import DataError, TransientError
from airflow_provider_spotify.core.sources.web.boundary import digest
from airflow_provider_spotify.core.sources.web.pages import Page, Pagination, Position, dig

_SAME = 3
"""How often the same page may come again before it is an error."""


class GraphPages(Pagination):
    """``?limit=50&after=…`` while the answer names a ``next`` page.

    The cursor of a hashtag's media is the same on every page and still leads on
    (https://developers.facebook.com/docs/instagram-platform/instagram-graph-api/reference/ig-hashtag/recent-media),
    so a position is the cursor together with the page that gave it.
    """

    kind: Literal["graph"] = "graph"
    size: int = Field(50, ge=1, description="rows of a page")

    def params(self, position: Position, *, room: int | None = None) -> Mapping[str, Any]:
        """Return the cursor, if there is one, and the size."""
        token = {"after": position["token"]} if "token" in position else {}
        return {"limit": self.size if room is None else max(1, min(self.size, room)), **token}

    def following(self, position: Position, page: Page) -> Position | None:
        """Return the next cursor; None after the last page.

        :raises DataError: if the same page comes over and over
        """
        token = self._token(page)
        if token is None:
            return None
        seen = digest({"rows": [record.get("id") for record in page.records]})
        same = token == position.get("token") and seen == position.get("page")
        again = int(position.get("again", 0)) + 1 if same else 0
        if again > _SAME:
            raise DataError("the API names the same page as the next one again and again")
        return {"token": token, "page": seen, **({"again": again} if again else {})}

    def _token(self, page: Page) -> str | None:
        link = dig(page.body, "paging.next")
        if not link:
            return None
        after = dig(page.body, "paging.cursors.after") or _after(str(link))
        if not after:
            raise DataError("the API names a next page without a cursor")
        return str(after)


class DiscoveryPages(GraphPages):
    """The media within another account's answer: they have cursors, and no ``next``.

    https://developers.facebook.com/docs/instagram-platform/instagram-graph-api/reference/ig-user/business_discovery
    """

    inside: str = "business_discovery.media"

    def _token(self, page: Page) -> str | None:
        after = dig(page.body, f"{self.inside}.paging.cursors.after")
        return str(after) if after else None


def _after(link: str) -> str | None:
    return next(iter(parse_qs(urlsplit(link).query).get("after", [])), None)


def edge(body: Any, path: str | None = None) -> Sequence[Mapping[str, Any]]:
    """Return the rows of an edge, such as ``media`` of an account.

    :raises TransientError: if the answer is none of the Graph API's, as when a proxy gave it
    """
    found = dig(body, f"{path}.data" if path else "data")
    if not isinstance(found, list):
        raise TransientError("Instagram answered without data: not an answer of the Graph API")
    return found
