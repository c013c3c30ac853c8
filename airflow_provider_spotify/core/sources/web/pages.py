"""The usual ways in which APIs split a listing into pages, as data."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any, Literal, NamedTuple, Self
from urllib.parse import urljoin

from pydantic import Field, model_validator

from airflow_provider_spotify.core.errors import DataError
from airflow_provider_spotify.core.model import Frozen

Position = Mapping[str, Any]
"""Where a page is, as JSON: its number, offset, token or address."""


class Page(NamedTuple):
    """One page as it was answered.

    :param size: how many places it fills; more than ``records`` where some hold null
    """

    url: str
    body: Any
    headers: Mapping[str, str]
    records: Sequence[Mapping[str, Any]]
    size: int


class Pagination(Frozen):
    """Base of the kinds: where the first page is, and where the one after a page is."""

    @property
    def counted(self) -> str | None:
        """The path of the number of all rows in the body, if the kind knows one."""
        return None

    def first(self) -> Position:
        """Return the position of the first page."""
        return {}

    def params(self, position: Position, *, room: int | None = None) -> Mapping[str, Any]:
        """Return the parameters that ask for a position.

        :param room: how many rows may be asked for; heeded where another size moves no page
        """
        return {}

    def following(self, position: Position, page: Page) -> Position | None:
        """Return the position after a page; None after the last one."""
        return None

    def ahead(self, position: Position, page: Page) -> Iterable[Position]:
        """Return the later positions that are known already, in order, to be read together."""
        return ()

    def restart(self, position: Position) -> Position:
        """Return where to go on when the API knows a position's token or address no more."""
        return self.first()


class NoPages(Pagination):
    """Everything comes at once."""

    kind: Literal["none"]


class PageNumbers(Pagination):
    """``?page=1``, ``?page=2`` …, until a page is empty or the last known one was read."""

    kind: Literal["page"]
    param: str = "page"
    start: int = Field(1, description="number of the first page")
    size_param: str | None = Field(None, description="parameter for the rows of a page")
    size: int = Field(100, ge=1, description="rows of a page")
    pages: str | None = Field(None, description="path of the number of pages in the body")
    total: str | None = Field(None, description="path of the number of rows in the body")
    most: int | None = Field(
        None, ge=1, description="read no more rows than these, rounded up to a page"
    )

    @property
    def counted(self) -> str | None:
        """The path of ``total``."""
        return self.total

    def first(self) -> Position:
        """Return the first page's number."""
        return {"page": self.start}

    def params(self, position: Position, *, room: int | None = None) -> Mapping[str, Any]:
        """Return number and size."""
        size = {self.size_param: self.size} if self.size_param else {}
        return {self.param: position["page"], **size}

    def following(self, position: Position, page: Page) -> Position | None:
        """Return the next number, unless this page was empty or the last one."""
        number = position["page"] + 1
        last = self._last(position, page)
        rows = _rows(position, page)
        over = number > last if last is not None else not page.size
        enough = self.most is not None and (number - self.start) * rows >= self.most
        return None if over or enough else {**position, "page": number, "rows": rows}

    def ahead(self, position: Position, page: Page) -> Iterable[Position]:
        """Return every later number, if the body says how many pages or rows there are."""
        last = self._last(position, page)
        rows = _rows(position, page)
        if last is not None and self.most is not None and rows:
            last = min(last, self.start + -(-self.most // rows) - 1)
        numbers = range(position["page"] + 1, (last or 0) + 1)
        return ({"page": number, "rows": rows} for number in numbers)

    def _last(self, position: Position, page: Page) -> int | None:
        """Return the last page's number; by rows, from how many the first page really had."""
        pages, total = number(page.body, self.pages), number(page.body, self.total)
        if pages is not None:
            return self.start + pages - 1
        # A first page without rows, of a listing that has some, is not the end of it.
        rows = _rows(position, page) or (self.size if self.size_param else 0)
        return None if total is None or not rows else self.start + -(-total // rows) - 1


class Offsets(Pagination):
    """``?offset=0&limit=100``, until a page is empty or ``total`` rows were read."""

    kind: Literal["offset"]
    param: str = "offset"
    limit_param: str = "limit"
    limit: int = Field(100, ge=1, description="rows of a page")
    total: str | None = Field(None, description="path of the number of rows in the body")

    @property
    def counted(self) -> str | None:
        """The path of ``total``."""
        return self.total

    def first(self) -> Position:
        """Return offset 0."""
        return {"offset": 0}

    def params(self, position: Position, *, room: int | None = None) -> Mapping[str, Any]:
        """Return offset and limit."""
        # After the first page as many as that one had: asking for more would overlap.
        return {
            self.param: position["offset"],
            self.limit_param: position.get("rows") or self.limit,
        }

    def following(self, position: Position, page: Page) -> Position | None:
        """Return the next offset, unless this page was empty or the last one."""
        total = number(page.body, self.total)
        rows = self._step(position, page, total)
        offset = position["offset"] + rows
        over = offset >= total if total is not None else not page.size
        return None if over or not rows else {"offset": offset, "rows": rows}

    def ahead(self, position: Position, page: Page) -> Iterable[Position]:
        """Return every later offset, if the body says how many rows there are."""
        total = number(page.body, self.total)
        rows = self._step(position, page, total)
        if not rows or total is None:
            return ()
        return (
            {"offset": at, "rows": rows} for at in range(position["offset"] + rows, total, rows)
        )

    def _step(self, position: Position, page: Page, total: int | None) -> int:
        """Return how far the next page is; as far as asked if an empty page leaves out rows."""
        return _rows(position, page) or (self.limit if total else 0)


class Tokens(Pagination):
    """``?cursor=…`` with a token from the page before, or a field of its last record."""

    kind: Literal["cursor"]
    param: str = "cursor"
    next: str | None = Field(None, description="path of the next token in the body")
    last: str | None = Field(None, description="field of a page's last record that is the token")
    has_more: str | None = Field(None, description="path of a truth value in the body")
    size_param: str | None = Field(None, description="parameter for the rows of a page")
    size: int = Field(100, ge=1, description="rows of a page")
    least: int = Field(1, ge=1, description="fewest rows of a page that the API takes")
    params_once: bool = Field(
        False, description="send only the token after the first page, as some APIs demand"
    )

    @model_validator(mode="after")
    def _one_token(self) -> Self:
        if (self.next is None) == (self.last is None):
            raise ValueError("cursor pagination needs either next or last")
        return self

    def params(self, position: Position, *, room: int | None = None) -> Mapping[str, Any]:
        """Return the token, if there is one, and the size."""
        token = {self.param: position["token"]} if "token" in position else {}
        if not self.size_param:
            return token
        most = self.size if room is None else max(self.least, min(self.size, room))
        return {self.size_param: most, **token}

    def following(self, position: Position, page: Page) -> Position | None:
        """Return the next token, unless there is none or nothing more."""
        if self.has_more and not dig(page.body, self.has_more):
            return None
        token = dig(page.body, self.next) if self.next else self._of_last(page)
        return {"token": token} if token not in (None, "", False) else None

    def _of_last(self, page: Page) -> Any:
        """Return the token that a page's last record holds.

        :raises DataError: if the page has places and all are null: what follows cannot be asked for
        """
        if page.size and not page.records:
            raise DataError(
                f"a page holds only nulls, so there is no {self.last!r} to ask for the next one by"
            )
        return dig(page.records[-1], self.last) if page.records else None


class LinkHeader(Pagination):
    """The header ``Link: <…>; rel="next"`` (RFC 8288)."""

    kind: Literal["link_header"]

    def following(self, position: Position, page: Page) -> Position | None:
        """Return the address that the header names, if it does."""
        for url, options in _LINK.findall(page.headers.get("link", "")):
            if _NEXT.search(options):
                return {"url": urljoin(page.url, url)}
        return None


class NextUrls(Pagination):
    """The body names the next page's address."""

    kind: Literal["next_url"]
    next: str = Field("next", description="path of the address in the body")

    def following(self, position: Position, page: Page) -> Position | None:
        """Return the address that the body names, if it does."""
        url = dig(page.body, self.next)
        return {"url": urljoin(page.url, str(url))} if url else None


PaginationConfig = Annotated[
    NoPages | PageNumbers | Offsets | Tokens | LinkHeader | NextUrls,
    Field(discriminator="kind"),
]
_LINK = re.compile(r"<([^>]*)>([^<]*)")
_NEXT = re.compile(r";\s*rel\s*=\s*(?:\"[^\"]*\bnext\b[^\"]*\"|next\b)", re.IGNORECASE)


def dig(value: Any, path: str | None) -> Any:
    """Return what a path such as ``meta.next`` names; None where there is nothing.

    A key that itself holds dots (``@odata.nextLink``) is found as a whole first.
    """
    if not isinstance(value, Mapping) or path is None:
        return None
    if path in value:
        return value[path]
    name, dot, rest = path.partition(".")
    return dig(value.get(name), rest) if dot else None


def number(body: Any, path: str | None) -> int | None:
    """Return the whole number that a path names; None if it is none."""
    try:
        return int(dig(body, path))
    except (TypeError, ValueError):
        return None


def is_counted(position: Position | None) -> bool:
    """Say whether a position counts rows or pages, so that rows which are added push others on."""
    return bool(position and {"offset", "page"} & position.keys())


def _rows(position: Position, page: Page) -> int:
    """Return how many rows a page has: what the first one had, for a server may cap the size."""
    return int(position.get("rows") or page.size)
