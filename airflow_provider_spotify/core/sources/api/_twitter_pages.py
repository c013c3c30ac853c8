"""How X splits a listing: tokens that may end, and post ids that go on where one has."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from airflow_provider_spotify.core.sources.web.pages import Page, Pagination, Position, dig


class TokenPages(Pagination):
    """``meta.next_token`` until it is missing, even where pages come short or empty.

    https://docs.x.com/x-api/fundamentals/pagination

    :param by_id: the endpoint takes ``until_id``: a listing whose token has ended goes on below
        the last post that was read
    """

    kind: Literal["x_token"] = "x_token"
    param: str = "pagination_token"
    size: int = 100
    least: int = 1
    sized: bool = True
    by_id: bool = False

    def params(self, position: Position, *, room: int | None = None) -> Mapping[str, Any]:
        """Return token and size; ``until_id`` where the token has ended."""
        most = self.size if room is None else max(self.least, min(self.size, room))
        size = {"max_results": most} if self.sized else {}
        if "token" in position:
            return {**size, self.param: position["token"]}
        return {**size, "until_id": position["below"]} if "below" in position else size

    def following(self, position: Position, page: Page) -> Position | None:
        """Return the next token, and the lowest post so far."""
        token = dig(page.body, "meta.next_token")
        if not token:
            return None
        ids = [int(each["id"]) for each in page.records if self.by_id]
        below = [int(position["below"])] if "below" in position else []
        lowest = min([*ids, *below], default=None)
        return {"token": token} | ({} if lowest is None else {"below": str(lowest)})

    def restart(self, position: Position) -> Position:
        """Return where to go on when the token has ended."""
        return {"below": position["below"]} if "below" in position else self.first()
