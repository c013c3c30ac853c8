"""Reads the pages of a REST listing in order, several at once, and knows how far it is."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote

from airflow_provider_spotify.core.errors import ConfigurationError
from airflow_provider_spotify.core.model import Cursor, Window
from airflow_provider_spotify.core.sources.api._rest_since import inside
from airflow_provider_spotify.core.sources.web.boundary import Boundary, Record
from airflow_provider_spotify.core.sources.web.pages import Page, Position
from airflow_provider_spotify.core.sources.web.paging import Listing, cancel, cleaned, paged, start

if TYPE_CHECKING:
    from airflow_provider_spotify.core.clients.http import HttpClient
    from airflow_provider_spotify.core.sources.api.rest import RestConfig


class Task(NamedTuple):
    """What is read: a config, the values of the path's parameters, and perhaps a window."""

    config: RestConfig
    targets: Sequence[Mapping[str, Any]]
    window: Window | None = None

    @property
    def digest(self) -> str:
        """Sixteen hex digits; a position in the pages of one listing is none in another's."""
        parts = self.config.model_dump_json(
            include={"path", "method", "params", "records", "pagination", "incremental"}
        )
        return hashlib.blake2b(parts.encode(), digest_size=8).hexdigest()


class Reader:
    """One pass over every page. ``cursor`` is where to resume after the page last yielded.

    A cursor within a pass holds the pass's lower bound, the next page and the highest value so
    far; after the last page the highest value becomes the next pass's lower bound.
    """

    def __init__(self, http: HttpClient, task: Task, *, since: Cursor | None) -> None:
        since = {} if task.window else since or {}
        self._http = http
        self._task = task
        self._config = task.config
        self.after = since.get("after")
        self._before = self._boundary(self.after, since.get("seen", ()))
        passed = since.get("pass") or {}
        if passed.get("of") != task.digest:
            passed = {}
        self._at = int(passed.get("target", 0))
        self._position: Position | None = passed.get("page")
        high, seen = (passed["high"], passed["seen"]) if passed else (self.after, since.get("seen"))
        self._high = self._boundary(high, seen if seen is not None or passed else ())

    def _boundary(self, high: Any, seen: Sequence[str] | None) -> Boundary | None:
        config = self._config.incremental
        return Boundary(config, high=config.load(high), seen=seen) if config else None

    @property
    def finished(self) -> bool:
        """Every page was yielded."""
        return self._at >= len(self._task.targets)

    def cursor(self) -> Cursor:
        """Return where to resume."""
        config = self._config.incremental
        high = config.dump(self._high.high) if config and self._high else None
        seen = self._high.seen if self._high else None
        if self.finished:
            ended = {"finished": datetime.now(UTC).isoformat(timespec="seconds")}
            return {"after": high, "seen": seen, **ended} if config else ended
        passed = {"of": self._task.digest, "target": self._at, "page": self._position}
        begun = {"after": self.after, "seen": self._before.left} if self._before else {}
        return {**begun, "pass": {**passed, "high": high, "seen": seen}}

    async def pages(self) -> AsyncGenerator[list[Record], None]:
        """Yield the new records of page after page; one without any is yielded too."""
        firsts: dict[int, asyncio.Task[Page]] = {}
        try:
            for index in range(self._at, len(self._task.targets)):
                # Most targets have one page: the next ones' first pages are read meanwhile.
                for near in range(index + 1, min(index + self._width, len(self._task.targets))):
                    if near not in firsts:
                        firsts[near] = start(self._listing(near), self._config.pages.first())
                listing, first = self._listing(index), firsts.pop(index, None)
                async with aclosing(paged(listing, begin=self._position, first=first)) as pages:
                    async for page, following in pages:
                        self._at, self._position = (
                            (index, following) if following else (index + 1, None)
                        )
                        yield self._take(index, page)
        finally:
            await cancel(firsts.values())

    @property
    def _width(self) -> int:
        return self._config.concurrency

    def _listing(self, index: int) -> Listing:
        async def fetch(position: Position) -> Page:
            return await self._fetch(index, position)

        config = self._config
        clean = partial(cleaned, self._http, config.path)
        return Listing(config.path, config.pages, fetch, self._width, clean)

    async def _fetch(self, index: int, position: Position) -> Page:
        config, target = self._config, self._task.targets[index]
        url, params = self._address(target, position)
        response = await self._http.request(
            config.method,
            url,
            params=params if config.method == "GET" else None,
            json=params if config.method == "POST" else None,
            headers=config.headers,
            idempotent=True,
            missing_ok=config.missing_ok,
            is_json=True,
        )
        body = None if response.status in (404, 410) else response.json()
        found = config.pick(body)
        records = [record for record in found if record is not None]
        return Page(response.url, body, response.headers, records, len(found))

    def _address(self, target: Mapping[str, Any], position: Position) -> tuple[str, dict[str, Any]]:
        config = self._config
        if "url" in position:
            return str(position["url"]), {}
        path = config.path
        for name, value in target.items():
            path = path.replace(f"{{{name}}}", quote(str(value), safe=""))
        own = dict(config.pages.params(position))
        if "token" in position and getattr(config.pages, "params_once", False):
            return path, own
        given = {k: v for k, v in config.params.items() if k not in target}
        return path, {**given, **self._bounds(), **own}

    def _bounds(self) -> dict[str, Any]:
        """Return the parameters that ask for what is new, or for a window."""
        config, window = self._config.incremental, self._task.window
        if config is None:
            return {}
        if window is not None:
            end = {config.end_param: config.write(window.end)} if config.end_param else {}
            return {config.param: config.write(window.start), **end}
        if self.after is None:
            return {} if config.start is None else {config.param: config.start}
        bound = config.load(self.after)
        back = bound if config.format == "value" else bound - config.lookback
        return {config.param: config.write(back)}

    def _take(self, index: int, page: Page) -> list[Record]:
        """Return the records that are new, and remember how new they are."""
        config, window = self._config.incremental, self._task.window
        records = list(page.records)
        if config and window:
            records = inside(config, window, records)
        if self._before is not None and self._high is not None:
            records = [record for record in records if not self._before.take(record)]
            for record in records:
                self._high.add(record)
        names = self._config.add_params
        added = {name: self._task.targets[index][name] for name in names}
        return [{**added, **record} for record in records] if added else records


def targets(path: str, params: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the values of a path's parameters, once for each value of one that is a list.

    :raises ConfigurationError: if a parameter has no value, or two of them are lists
    """
    names = path_names(path)
    missing = [name for name in names if name not in params]
    if missing:
        raise ConfigurationError(f"path {path!r}: params has no {', '.join(missing)}")
    lists = [name for name in names if isinstance(params[name], list | tuple)]
    if len(lists) > 1:
        raise ConfigurationError(f"path {path!r}: only one of {', '.join(lists)} may be a list")
    given = {name: params[name] for name in names}
    if not lists:
        return [given]
    return [{**given, lists[0]: value} for value in dict.fromkeys(given[lists[0]])]


def path_names(path: str) -> list[str]:
    """Return the names in braces of a path, in order."""
    return [part.partition("}")[0] for part in path.split("{")[1:]]
