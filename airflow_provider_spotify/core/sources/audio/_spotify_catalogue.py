"""Reads a catalogue: every id, or part of a listing, once; a cursor counts what was read."""

from __future__ import annotations

import hashlib
from abc import abstractmethod
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, NamedTuple

from airflow_provider_spotify.core.model import Cursor
from airflow_provider_spotify.core.sources.audio._spotify_api import Json, SpotifyApi
from airflow_provider_spotify.core.sources.audio._spotify_ids import spotify_id
from airflow_provider_spotify.core.sources.audio._spotify_readers import NO_ID, Page, Reader, Task
from airflow_provider_spotify.core.sources.web.order import ordered, paged
from airflow_provider_spotify.core.sources.web.rows import Record, Reject


class Place(NamedTuple):
    """Where a catalogue is resumed: keys read, rows read of the next one."""

    position: int
    offset: int


def place(since: Cursor | None, task: Task) -> Place:
    """Return where to go on; the start if keys read before have changed, or are due again.

    A part begins at the whole's cursor, and goes on at its own.
    """
    if since and task.first is not None and since.get("first") != task.first:
        begun = since.get("position") == task.first and since.get("key") == task.keys[0]
        return Place(0, int(since.get("offset", 0)) if begun else 0)
    if not since or since.get("read") != _digest(task, int(since.get("position", 0))):
        return Place(0, 0)
    position = int(since["position"])
    if position >= len(task.keys):
        return Place(0, 0) if _due(since, task.refresh) else Place(position, 0)
    same = since.get("key") == task.keys[position]
    return Place(position, int(since.get("offset", 0)) if same else 0)


def _due(since: Cursor, refresh: timedelta | None) -> bool:
    if refresh is None:
        return False
    # A list that was shortened to what had been read has no such time: it is due.
    finished = since.get("finished")
    return not finished or datetime.now(UTC) - datetime.fromisoformat(str(finished)) >= refresh


def _start(task: Task) -> Any:
    return hashlib.blake2b(f"{task.name}|{task.query}|{task.market}\n".encode(), digest_size=12)


def _digest(task: Task, position: int) -> str:
    digest = _start(task)
    for key in task.keys[:position]:
        digest.update(f"{key}\n".encode())
    return str(digest.hexdigest())


def joined(cursors: Sequence[Cursor | None], task: Task) -> Cursor | None:
    """Return the cursor of the whole, from those of its parts: after the last that was read whole.

    :param task: of the whole, which may have more keys by now
    """
    end: dict[str, Any] = {}
    for cursor in cursors:
        position = int(cursor["first"]) + int(cursor["position"]) if cursor else 0
        if not cursor or position > len(task.keys):
            break
        end = {"position": position, "read": _digest(task, position)}
        if "finished" not in cursor:
            return end | {name: cursor[name] for name in ("offset", "key") if name in cursor}
        if position == len(task.keys):
            end["finished"] = cursor["finished"]
    return end or None


class CatalogueReader(Reader):
    """Reads each key once, one after the other; a cursor counts the keys and rows read."""

    def __init__(self, api: SpotifyApi, task: Task, *, since: Cursor | None) -> None:
        super().__init__(api, task)
        self._place = place(since, task)
        self._read = _start(task)
        for key in task.keys[: self._place.position]:
            self._read.update(f"{key}\n".encode())

    def cursor(self) -> Cursor:
        """Return the place, and a digest of the keys before it."""
        position, offset = self._place
        found: dict[str, Any] = {"position": position, "read": self._read.hexdigest()}
        if self.task.first is not None:
            found |= {"first": self.task.first}
        if offset:
            found |= {"offset": offset, "key": self.task.keys[position]}
        if position >= len(self.task.keys):
            found["finished"] = datetime.now(UTC).isoformat(timespec="seconds")
        return found

    async def pages(self) -> AsyncGenerator[Page, None]:
        """Yield the pages of each group of keys; the next groups are asked for meanwhile."""
        (start, offset), keys, size = self._place, self.task.keys, self.task.group
        groups = [keys[n : n + size] for n in range(start, len(keys), size)]
        calls = (partial(self._open, group, 0 if n else offset) for n, group in enumerate(groups))
        remaining = iter(groups)
        async with aclosing(ordered(calls, width=self.api.width)) as heads:
            async for head in heads:
                async with aclosing(self._follow(next(remaining), head)) as pages:
                    async for page in pages:
                        yield page

    @property
    def _missing(self) -> str:
        """Why there is nothing; without a country the spoken word is never found."""
        if self.task.resource.id_type in ("show", "episode", "audiobook") and not self.task.market:
            return "not found; without market, an app that acts for no user finds none of these"
        return "not found"

    def _done(self, group: Sequence[str]) -> None:
        for key in group:
            self._read.update(f"{key}\n".encode())
        self._place = Place(self._place.position + len(group), 0)

    @abstractmethod
    async def _open(self, group: Sequence[str], offset: int) -> Any:
        """Make the first request of a group of keys."""

    @abstractmethod
    def _follow(self, group: Sequence[str], head: Any) -> AsyncGenerator[Page, None]:
        """Yield the group's pages, given the first answer."""


class ObjectReader(CatalogueReader):
    """Reads one row for each id, several ids in a request where the app may."""

    async def _open(self, group: Sequence[str], offset: int) -> Any:
        ids = [key for key in group if spotify_id(key, kind=self.task.resource.id_type)]
        batch = self.task.group > 1
        bodies = await self.api.objects(self.task.resource, ids, batch=batch)
        return dict(zip(ids, bodies, strict=True))

    async def _follow(self, group: Sequence[str], head: Any) -> AsyncGenerator[Page, None]:
        records, rejected = [], []
        for key in group:
            where = f"{self.task.name} {key}"
            if head.get(key) is None:
                reason = self._missing if key in head else NO_ID
                rejected.append(Reject({"id": key}, reason, where))
            else:
                records.append(Record({"key": key}, head[key], where))
        self._done(group)
        yield Page(records, rejected)


class PageReader(CatalogueReader):
    """Reads the pages below each id, or of each part of a listing."""

    async def _open(self, group: Sequence[str], offset: int) -> Any:
        kind = self.task.resource.id_type
        if kind and not spotify_id(group[0], kind=kind):
            return NO_ID
        return await self._fetch(group[0], offset) or self._missing

    async def _fetch(self, key: str, offset: int) -> Json | None:
        resource, limit = self.task.resource, self.task.limit
        if self.task.name == "search":
            query = self.task.query or ""
            return await self.api.found(key, query=query, limit=limit, offset=offset)
        inside = "albums" if self.task.name == "new_releases" else None
        path = resource.path.format(id=key)
        return await self.api.page(path, limit=limit, offset=offset, inside=inside)

    async def _follow(self, group: Sequence[str], head: Any) -> AsyncGenerator[Page, None]:
        key = group[0]
        if isinstance(head, str):
            self._done(group)
            yield Page((), [Reject({"id": key}, head, f"{self.task.name} {key}")])
            return
        fetch = partial(self._fetch, key)
        async with aclosing(paged(fetch, first=head, width=self.api.width)) as bodies:
            async for body in bodies:
                if body["next"]:
                    self._place = self._place._replace(offset=body["offset"] + body["limit"])
                else:
                    self._done(group)
                yield self._page(key, body)

    def _page(self, key: str, body: Json) -> Page:
        records, rejected = [], []
        for position, item in enumerate(body["items"], body["offset"]):
            where = f"{self.task.name} {key} position {position}"
            if item is None:
                record = {"key": key, "position": position}
                rejected.append(Reject(record, "not shown to this app (null)", where))
            else:
                context = {"key": key, "position": position, "query": self.task.query}
                records.append(Record(context, item, where))
        return Page(records, rejected)
