"""How GraphQL APIs split a listing: Relay connections, and variables as REST has parameters.

https://relay.dev/graphql/connections.htm
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field

from airflow_provider_spotify.core.errors import DataError
from airflow_provider_spotify.core.sources.web.pages import (
    NoPages,
    Offsets,
    Page,
    PageNumbers,
    Pagination,
    Position,
    Tokens,
    dig,
)


class Relay(Pagination):
    """A connection: ``pageInfo`` says whether there is more, and after which cursor."""

    kind: Literal["relay"]
    variable: str = Field("after", description="variable that takes the cursor")
    size_variable: str | None = Field(None, description="variable for the rows of a page")
    size: int = Field(100, ge=1, description="rows of a page")
    page_info: str | None = Field(
        None, description="path of pageInfo in data; by default beside the records"
    )
    total: str | None = Field(None, description="path of the number of rows in data")

    def params(self, position: Position, *, room: int | None = None) -> Mapping[str, Any]:
        """Return cursor and size."""
        most = self.size if room is None else max(1, min(self.size, room))
        size = {self.size_variable: most} if self.size_variable else {}
        return {**size, **({self.variable: position["token"]} if "token" in position else {})}

    def following(self, position: Position, page: Page) -> Position | None:
        """Return the cursor of the page's end, unless it is the last one.

        :raises DataError: if there is more but no cursor, or no ``pageInfo`` at all
        """
        info = dig(page.body, self.page_info)
        if not isinstance(info, Mapping) or "hasNextPage" not in info:
            raise DataError(f"{self.page_info} has no hasNextPage; select it in the query")
        if not info["hasNextPage"]:
            return None
        if not info.get("endCursor"):
            raise DataError(f"{self.page_info} has a next page but no endCursor")
        return {"token": info["endCursor"]}


GraphqlPagination = Annotated[
    NoPages | Relay | Offsets | PageNumbers | Tokens, Field(discriminator="kind")
]
_PATHS = ("page_info", "total", "pages", "next", "has_more")


def in_body(pages: Pagination, *, records: str) -> Pagination:
    """Return a kind whose paths begin at the body, not at ``data``.

    :param records: path of the records in data
    """
    found = {name: getattr(pages, name, None) for name in _PATHS}
    if isinstance(pages, Relay) and pages.page_info is None:
        found["page_info"] = beside(records, "pageInfo")
    return pages.model_copy(update={k: f"data.{path}" for k, path in found.items() if path})


def beside(records: str, name: str) -> str:
    """Return the path of what stands in the connection that holds the records."""
    names = records.split(".")
    up = 2 if names[-2:] == ["edges", "node"] else 1
    return ".".join([*names[:-up], name])


def variables_of(pages: Pagination) -> list[str]:
    """Return the variables that a kind fills."""
    names = ("variable", "size_variable", "param", "size_param", "limit_param")
    return [name for each in names if (name := getattr(pages, each, None))]
