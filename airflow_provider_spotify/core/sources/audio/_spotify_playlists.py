"""Reads playlists: every version once; a cursor names the versions that were read."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from datetime import datetime
from functools import partial
from typing import Any, NamedTuple

from airflow_provider_spotify.core.errors import ForbiddenError
from airflow_provider_spotify.core.model import Cursor, Window
from airflow_provider_spotify.core.sources.audio._spotify_api import Json, SpotifyApi
from airflow_provider_spotify.core.sources.audio._spotify_ids import spotify_id
from airflow_provider_spotify.core.sources.audio._spotify_readers import NO_ID, Page, Reader, Task
from airflow_provider_spotify.core.sources.audio._spotify_resources import PLAYLIST_FIELDS
from airflow_provider_spotify.core.sources.web.order import ordered, paged
from airflow_provider_spotify.core.sources.web.rows import Record, Reject

_NO_ITEM = "removed or local track without data"


class Head(NamedTuple):
    """The first answer of a playlist: its version, and what was read of it.

    :param lacks: why there is nothing to read, if so; ``refused``: why it is closed to this app
    """

    snapshot: str | None = None
    body: Json | None = None
    lacks: str | None = None
    refused: str | None = None


class PlaylistReader(Reader):
    """Reads the playlists whose version is not the one read before.

    The version is asked for before its items, so a playlist that changes while it is read has
    another one next time and is read again. A cursor names the versions fully read (None: there
    was nothing to read) and, for playlists begun, the version and the items read.
    """

    def __init__(self, api: SpotifyApi, task: Task, *, since: Cursor | None) -> None:
        super().__init__(api, task)
        keys = set(task.keys)
        given = dict(since or {})
        seen, partly = given.get("snapshots") or {}, given.get("partial") or {}
        self._seen: dict[str, str | None] = {k: v for k, v in seen.items() if k in keys}
        self._partly: dict[str, Any] = {k: v for k, v in partly.items() if k in keys}
        self._others = _of_others(given, keys) if task.first is not None else {}
        self.opened = bool(self._partly)

    def cursor(self) -> Cursor:
        """Return the versions read, whole and in part."""
        found: dict[str, Any] = {"snapshots": dict(self._seen)}
        if self._others:
            found["others"] = self._others
        return {**found, "partial": dict(self._partly)} if self._partly else found

    async def changed(self) -> bool:
        """Say whether any playlist has another version; one short request for each, at most."""
        if self._partly or any(key not in self._seen for key in self.task.keys):
            return True
        calls = (partial(self._version, key) for key in self.task.keys)
        async with aclosing(ordered(calls, width=self.api.width)) as heads:
            keys = iter(self.task.keys)
            async for head in heads:
                if head.snapshot != self._seen[next(keys)]:
                    return True
        return False

    async def pages(self) -> AsyncGenerator[Page, None]:
        """Yield the pages of each changed playlist; the next ones are asked for meanwhile."""
        calls = (partial(self._open, key) for key in self.task.keys)
        keys = iter(self.task.keys)
        async with aclosing(ordered(calls, width=self.api.width)) as heads:
            async for head in heads:
                async with aclosing(self._follow(next(keys), head)) as pages:
                    async for page in pages:
                        yield page

    async def _version(self, key: str) -> Head:
        if not spotify_id(key, kind="playlist"):
            return Head(lacks=NO_ID)
        fields = PLAYLIST_FIELDS if self.task.name == "playlists" else "snapshot_id"
        try:
            body = await self.api.get(f"playlists/{key}", fields=fields)
        except ForbiddenError as error:
            return Head(refused=str(error))
        if body is None:
            return Head(lacks="not found: deleted, or private to somebody else")
        return Head(snapshot=str(body.get("snapshot_id")), body=body)

    async def _open(self, key: str) -> Head:
        head = await self._version(key)
        unchanged = head.snapshot is None or head.snapshot == self._seen.get(key)
        if unchanged or self.task.name == "playlists":
            return head
        snapshot, offset = self._partly.get(key, (None, 0))
        try:
            body = await self._fetch(key, offset if snapshot == head.snapshot else 0)
        except ForbiddenError as error:
            return head._replace(refused=str(error))
        return head._replace(body=body) if body else Head(lacks="not found: deleted meanwhile")

    async def _fetch(self, key: str, offset: int) -> Json | None:
        return await self.api.page(
            self.task.resource.path.format(id=key), limit=self.task.limit, offset=offset
        )

    async def _follow(self, key: str, head: Head) -> AsyncGenerator[Page, None]:
        reason = head.lacks or head.refused
        if reason:
            known = key in self._seen and self._seen[key] is None
            self._finish(key, None)
            if head.refused or not known:
                where = f"playlist {key}"
                yield Page((), [Reject({"id": key}, reason, where)], refused=head.refused)
            return
        self.opened = True
        if head.snapshot == self._seen.get(key):
            return
        if self.task.name == "playlists":
            self._finish(key, head.snapshot)
            yield Page([Record({"key": key}, head.body or {}, f"playlist {key}")])
            return
        async with aclosing(self._items(key, head)) as pages:
            async for page in pages:
                yield page

    async def _items(self, key: str, head: Head) -> AsyncGenerator[Page, None]:
        fetch: Callable[[int], Any] = partial(self._fetch, key)
        async with aclosing(paged(fetch, first=head.body or {}, width=self.api.width)) as bodies:
            async for body in bodies:
                if body["next"]:
                    self._partly[key] = [head.snapshot, body["offset"] + body["limit"]]
                else:
                    self._finish(key, head.snapshot)
                yield self._page(key, head, body)

    def _finish(self, key: str, snapshot: str | None) -> None:
        self._seen[key] = snapshot
        self._partly.pop(key, None)

    def _page(self, key: str, head: Head, body: Json) -> Page:
        records, rejected = [], []
        for position, entry in enumerate(body["items"], body["offset"]):
            if not _within(entry, self.task.window):
                continue
            # ``item`` since February 2026; ``track`` where an app still gets the old name.
            entry = entry or {}
            item = entry.get("item") or entry.get("track")
            where = f"playlist {key} position {position}"
            if not item or not item.get("id"):
                record = {"playlist_id": key, "position": position, **entry, "item": item}
                record.pop("track", None)
                rejected.append(Reject(record, _NO_ITEM, where))
                continue
            context = {
                "key": key,
                "position": position,
                "snapshot_id": head.snapshot,
                "added_at": entry.get("added_at"),
                "added_by_id": (entry.get("added_by") or {}).get("id"),
            }
            records.append(Record(context, item, where))
        return Page(records, rejected)


def _of_others(given: Cursor, keys: set[str]) -> Cursor:
    """Return what the whole's cursor says of the playlists of other parts."""
    kept = given.get("others")
    if kept is not None:
        return dict(kept)
    of = {name: given.get(name) or {} for name in ("snapshots", "partial")}
    return {name: {k: v for k, v in known.items() if k not in keys} for name, known in of.items()}


def joined(cursors: Sequence[Cursor | None]) -> Cursor | None:
    """Return the cursor of the whole: each playlist as the part says that read it."""
    known = [cursor for cursor in cursors if cursor]
    found: dict[str, dict[str, Any]] = {"snapshots": {}, "partial": {}}
    for name, versions in found.items():
        for cursor in known:
            versions |= (cursor.get("others") or {}).get(name) or {}
        for cursor in known:
            own = {*(cursor.get("snapshots") or {}), *(cursor.get("partial") or {})}
            for key in own & versions.keys():
                del versions[key]
        for cursor in known:
            versions |= cursor.get(name) or {}
    if not found["partial"]:
        del found["partial"]
    return dict(found) if known else None


def _within(entry: Json | None, window: Window | None) -> bool:
    if window is None:
        return True
    added = (entry or {}).get("added_at")
    return bool(added) and window.start <= datetime.fromisoformat(str(added)) < window.end
