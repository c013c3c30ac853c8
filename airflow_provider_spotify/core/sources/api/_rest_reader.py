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
from airflow_provider_spotify.core.sources.api._rest_since import inside, require_known
from airflow_provider_spotify.core.sources.web.bodies import require_page
from airflow_provider_spotify.core.sources.web.boundary import Boundary, Record
from airflow_provider_spotify.core.sources.web.pages import Page, Position, number
from airflow_provider_spotify.core.sources.web.paging import Listing, cancel, cleaned, paged, start
from airflow_provider_spotify.core.sources.web.progress import Mark, mark_name, marks_of
from airflow_provider_spotify.core.usage import Estimate

if TYPE_CHECKING:
    from airflow_provider_spotify.core.clients.http.client import HttpClient
    from airflow_provider_spotify.core.sources.api.rest import RestConfig


class Task(NamedTuple):
    """What is read: a config, the values of the path's parameters, and perhaps a window.

    ``once`` says that no row may come twice, as it is appended.
    """

    config: RestConfig
    targets: Sequence[Mapping[str, Any]]
    window: Window | None = None
    once: bool = True

    @property
    def listed(self) -> str | None:
        """The path's parameter that is a list, if one is."""
        return listed(self.config.path, self.config.params)

    @property
    def digest(self) -> str:
        """Sixteen hex digits; a position in the pages of one listing is none in another's."""
        return _digest(self.config)

    @property
    def shape(self) -> str:
        """The same, whichever values the path is read for."""
        given = {k: v for k, v in self.config.params.items() if k != self.listed}
        return _digest(self.config.model_copy(update={"params": given}))

    def place(self, passed: Mapping[str, Any], names: Sequence[str]) -> int | None:
        """Return the target that a pass was left at; None if it was none of this listing."""
        of = passed.get("of")
        if "name" in passed:
            known = of == self.shape and passed["name"] in names
            return names.index(passed["name"]) if known else None
        return int(passed.get("target", 0)) if of == self.digest else None


def _digest(config: RestConfig) -> str:
    parts = config.model_dump_json(
        include={"path", "method", "params", "records", "pagination", "incremental"}
    )
    return hashlib.blake2b(parts.encode(), digest_size=8).hexdigest()


class Reader:
    """One pass over every page. ``cursor`` is where to resume after the page last yielded.

    A cursor within a pass holds the pass's lower bound, the next page and the highest value so
    far; after the last page the highest value becomes the next pass's lower bound. A path that is
    read for each value of a list has a bound of its own for each, by the digest of the value.

    :raises DataError: if rows must come once, and those at a bound were too many to remember
    """

    def __init__(self, http: HttpClient, task: Task, *, since: Cursor | None) -> None:
        since = {} if task.window else since or {}
        self._http = http
        self._task = task
        self._config = task.config
        self._names = names(task)
        passed = since.get("pass") or {}
        at = task.place(passed, self._names)
        if at is None:
            passed = {}
        self._at = at or 0
        self._marks = marks(since, self._names, read=self._at, passed=passed)
        self._position: Position | None = passed.get("page")
        # Values that are asked for what is new have bounds: of them another list may be read.
        self._apart = bool(task.listed and task.config.incremental)
        self._digest = task.shape if self._apart else task.digest
        self._begin(passed)

    def _begin(self, passed: Mapping[str, Any] | None = None) -> None:
        """Start to read a target, where it was left in this pass, if it was."""
        mark = {} if self.finished else self._marks.get(self._names[self._at], {})
        after, before = mark.get("after"), mark.get("seen", ())
        if self._task.once and after is not None:
            require_known(before, path=self._config.path, bound=after)
        self._before = self._boundary(after, before)
        high, seen = (passed["high"], passed["seen"]) if passed else (after, before)
        self._high = self._boundary(high, seen if seen is not None or passed else ())

    def _boundary(self, high: Any, seen: Sequence[str] | None) -> Boundary | None:
        config = self._config.incremental
        if config is None:
            return None
        high, narrows = config.load(high), self._task.once and not config.lookback
        return Boundary(config, high=high, seen=seen, narrows=narrows)

    @property
    def finished(self) -> bool:
        """Every page was yielded."""
        return self._at >= len(self._task.targets)

    def cursor(self) -> Cursor:
        """Return where to resume."""
        config = self._config.incremental
        if self.finished:
            ended = {"finished": datetime.now(UTC).isoformat(timespec="seconds")}
            return {**self._marked(self._marks), **ended} if config else ended
        at = {"name": self._names[self._at]} if self._apart else {"target": self._at}
        passed = {"of": self._digest, **at, "page": self._position}
        if config is None or self._before is None or self._high is None:
            return {"pass": {**passed, "high": None, "seen": None}}
        name = self._names[self._at]
        begun = {"after": None, **self._marks.get(name, {}), "seen": self._before.left}
        newest = {"high": config.dump(self._high.high), "seen": self._high.seen}
        return {**self._marked({**self._marks, name: begun}), "pass": {**passed, **newest}}

    def _marked(self, marks: Mapping[str, Mark]) -> Cursor:
        if self._task.listed:
            return {"marks": dict(marks)}
        mark = marks.get("", {})
        return {"after": mark.get("after"), "seen": mark.get("seen")}

    def _end(self) -> None:
        """Note how far a target was read, and go to the next."""
        config = self._config.incremental
        if config and self._high is not None:
            self._marks[self._names[self._at]] = {
                "after": config.dump(self._high.high),
                "seen": self._high.seen,
                "to": datetime.now(UTC).isoformat(timespec="microseconds"),
            }
        self._at, self._position = self._at + 1, None
        self._begin()

    async def pages(self) -> AsyncGenerator[Sequence[Record], None]:
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
                        records = self._take(index, page)
                        self._position = following
                        if following is None:
                            self._end()
                        yield records
        finally:
            await cancel(firsts.values())

    async def estimate(self) -> Estimate:
        """Read the first page, and tell from it what all take."""
        page = await self._fetch(0, self._position or self._config.pages.first())
        rows = number(page.body, self._config.pages.counted)
        if rows is None or not page.size:
            return Estimate(requests=1, records=len(page.records))
        return Estimate(requests=max(1, -(-rows // page.size)), records=rows, exact=True)

    @property
    def _width(self) -> int:
        """How many pages are asked for at once: one where only so many records may come."""
        return 1 if self._http.usage.room() is not None else self._config.concurrency

    def _listing(self, index: int) -> Listing:
        async def fetch(position: Position) -> Page:
            return await self._fetch(index, position)

        config = self._config
        clean = partial(cleaned, self._http, config.path)
        return Listing(config.path, config.pages, fetch, self._width, clean)

    async def _fetch(self, index: int, position: Position) -> Page:
        config = self._config
        url, params = self._address(index, position)
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
        if response.status not in (404, 410):
            require_page(body, config.records, always=config.always, name=f"rest {config.path}")
        found = config.pick(body)
        records = [record for record in found if record is not None]
        self._http.usage.charge(len(records))
        page = Page(response.url, body, response.headers, records, len(found))
        return _compact(page, config.records) if self._unseen else page

    @property
    def _unseen(self) -> bool:
        """No record is looked at by itself."""
        config = self._config
        return not (config.incremental or self._task.window or config.add_params)

    def _address(self, index: int, position: Position) -> tuple[str, dict[str, Any]]:
        config, target, room = self._config, self._task.targets[index], self._http.usage.room()
        if "url" in position:
            return str(position["url"]), {}
        path = config.path
        for name, value in target.items():
            path = path.replace(f"{{{name}}}", quote(str(value), safe=""))
        own = dict(config.pages.params(position, room=room))
        if "token" in position and getattr(config.pages, "params_once", False):
            return path, own
        given = {k: v for k, v in config.params.items() if k not in target}
        return path, {**given, **self._bounds(index), **own}

    def _bounds(self, index: int) -> dict[str, Any]:
        """Return the parameters that ask for what is new, or for a window."""
        config, window = self._config.incremental, self._task.window
        if config is None:
            return {}
        if window is not None:
            end = {config.end_param: config.write(window.end)} if config.end_param else {}
            return {config.param: config.write(window.start), **end}
        bound = config.load(self._marks.get(self._names[index], {}).get("after"))
        if bound is None:
            return {} if config.start is None else {config.param: config.start}
        back = bound if config.format == "value" else bound - config.lookback
        return {config.param: config.write(back)}

    def _take(self, index: int, page: Page) -> Sequence[Record]:
        """Return the records that are new, and remember how new they are."""
        config, window = self._config.incremental, self._task.window
        if self._unseen:
            return page.records
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


def _compact(page: Page, path: str | None) -> Page:
    """Return a page whose records are columns, and are not in its body any more.

    It may wait long for those before it, and dicts that wait make all else slow.
    """
    from airflow_provider_spotify.core.clients.json_arrow import compact

    records = compact(page.records)
    if records is page.records:
        return page
    return page._replace(body=_emptied(page.body, path.split(".") if path else []), records=records)


def _emptied(body: Any, names: Sequence[str]) -> Any:
    """Return a body without the list that a path leads to; pages are never found in lists."""
    if isinstance(body, list):
        return []
    if not names or not isinstance(body, Mapping):
        return body
    return {**body, names[0]: _emptied(body.get(names[0]), names[1:])}


def names(task: Task) -> list[str]:
    """Return what targets are called in a cursor; the only one of a path without a list: nothing.

    A value may name a person, so it is its digest.
    """
    key = task.listed
    return [mark_name(str(target[key])) if key else "" for target in task.targets]


def marks(
    since: Cursor, names: Sequence[str], *, read: int, passed: Mapping[str, Any]
) -> dict[str, Mark]:
    """Return how far each target was read; one that is new has none.

    Until November 2026 there was one bound for all targets: it is every one's then, and those
    that the pass under way has read go on from that pass.

    :param read: how many targets those are
    """
    found = marks_of(since)
    if found or "after" not in since:
        return found
    before = {"after": since["after"], "seen": since.get("seen", ())}
    done = {"after": passed.get("high"), "seen": passed.get("seen")}
    return {name: done if at < read else before for at, name in enumerate(names)}


def targets(path: str, params: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the values of a path's parameters, once for each value of one that is a list.

    :raises ConfigurationError: if a parameter has no value, or two of them are lists
    """
    names = path_names(path)
    missing = [name for name in names if name not in params]
    if missing:
        raise ConfigurationError(f"path {path!r}: params has no {', '.join(missing)}")
    given = {name: params[name] for name in names}
    key = listed(path, params)
    if key is None:
        return [given]
    return [{**given, key: value} for value in dict.fromkeys(given[key])]


def listed(path: str, params: Mapping[str, Any]) -> str | None:
    """Return the path's parameter that is a list; None if none is.

    :raises ConfigurationError: if two are
    """
    found = [name for name in path_names(path) if isinstance(params[name], list | tuple)]
    if len(found) > 1:
        raise ConfigurationError(f"path {path!r}: only one of {', '.join(found)} may be a list")
    return found[0] if found else None


def path_names(path: str) -> list[str]:
    """Return the names in braces of a path, in order."""
    return [part.partition("}")[0] for part in path.split("{")[1:]]
