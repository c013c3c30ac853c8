"""Reads documents of MongoDB in the order of a field, and cuts only where its value changes."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence, Set
from contextlib import AbstractContextManager, ExitStack, closing
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from airflow_provider_spotify.core.clients import mongo_bson as b
from airflow_provider_spotify.core.clients.mongo import connect, described, kind_of, mongo_errors
from airflow_provider_spotify.core.clients.mongo_columns import CODEC
from airflow_provider_spotify.core.clients.mongo_order import (
    Condition,
    Order,
    back,
    restored,
    saved,
    signed,
)
from airflow_provider_spotify.core.errors import ConfigurationError
from airflow_provider_spotify.core.model import Chunk, Credentials, Cursor, Window
from airflow_provider_spotify.core.sources.database._mongodb_documents import (
    Documents,
    Found,
    Keys,
    comparable,
    find,
)

if TYPE_CHECKING:
    from pymongo import MongoClient
    from pymongo.client_session import ClientSession
    from pymongo.collection import Collection

    from airflow_provider_spotify.core.sources.database.mongodb import MongodbConfig

_RARE = frozenset(
    {b.MIN_KEY, b.MAX_KEY, b.DECIMAL, b.UNDEFINED, b.SYMBOL, b.POINTER, b.CODE, b.SCOPED}
)
"""Types of BSON that not every server which speaks the protocol has."""


class Section(NamedTuple):
    """Documents in their order, and the key of the last of them.

    :param last: no document follows
    """

    found: Found
    value: Any
    last: bool


class MongoReader(AbstractContextManager["MongoReader"]):
    """One client of one collection; a context manager that ends the client's threads."""

    collection: Collection[dict[str, Any]]
    order: Order

    def __init__(self, config: MongodbConfig, credentials: Credentials, *, place: str) -> None:
        self.config = config
        self.credentials = credentials
        self.place = place
        self._stack = ExitStack()
        self._session: ClientSession | None = None
        self._collation: Mapping[str, Any] | None = None

    def __enter__(self) -> Self:
        with ExitStack() as opening:
            client = opening.enter_context(connect(self.credentials))
            opening.enter_context(mongo_errors(self.credentials))
            database = client.get_database(self.place.partition(".")[0], codec_options=CODEC)
            self.collection = database.get_collection(self.config.collection)
            self._session = self._begun(client, opening)
            self.order = Order(self.config.field or "_id", lacking=self._lacking())
            self._stack = opening.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def described(self) -> Mapping[str, Any]:
        """Return what the server says of the collection.

        :raises ConfigurationError: if there is no such collection
        """
        with mongo_errors(self.credentials):
            return described(self.collection.database, self.config.collection)

    # ── reading ──────────────────────────────────────────────────────────────────────────────

    def chunks(
        self,
        since: Cursor | None,
        window: Window | None,
        *,
        documents: Documents | None = None,
        most: int | None = None,
    ) -> Generator[Chunk, None, None]:
        """Yield the documents after a cursor, or of a window.

        :param documents: what converts them, if what follows is to know their types
        :param most: end after so many
        """
        if self.described().get("options", {}).get("collation"):
            self._collation = {"locale": "simple"}  # values are compared byte by byte here
        conditions = self.conditions(since, window)
        if self.config.field is None:
            return self._counted(since)
        projection, dropped = self._projected()
        documents = documents or Documents(self.place, dropped=dropped)
        return self._ordered(self._raw(conditions, projection, limit=most or 0), documents)

    def conditions(self, since: Cursor | None, window: Window | None) -> list[Condition]:
        """Say which documents are still to be read.

        :raises ConfigurationError: if the cursor or the window does not fit the field
        """
        own = [] if self.config.filter is None else [restored(self.config.filter)]
        part = self.config.partition
        if part and part.after is not None:
            own.append(self.order.after(restored(part.after["value"])))
        if part and part.upto is not None:
            own.append(self.order.upto(restored(part.upto["value"])))
        if window is not None:
            return [*own, self._within(window)]
        return own if since is None else [*own, *self._after(since)]

    def exists(self, since: Cursor | None, window: Window | None) -> bool:
        """Say whether there is any document still to be read."""
        self.described()
        skip = int(since["rows"]) if since and self.config.field is None and since["more"] else 0
        return self.one(self.conditions(since, window), skip=skip) is not None

    def one(self, conditions: Sequence[Condition], *, skip: int = 0) -> Mapping[str, Any] | None:
        """Return a document, or None."""
        with mongo_errors(self.credentials):
            if self.config.pipeline is None:
                return self.collection.find_one(
                    combined(conditions), {"_id": 1}, session=self._session
                )
            stages = [*self.stages(conditions, sort=False), {"$skip": skip}, {"$limit": 1}]
            stages = [each for each in stages if each != {"$skip": 0}]
            with self.collection.aggregate(stages, session=self._session) as found:
                return next(found, None)

    def extreme(self, conditions: Sequence[Condition], direction: int, *, skip: int = 0) -> Any:
        """Return the least or greatest document of the order, with its key alone; or None."""
        field = self.order.field
        with mongo_errors(self.credentials):
            if self.config.pipeline is None:
                found: Any = self.collection.find(
                    combined(conditions), {field: 1}, sort=[(field, direction)], skip=skip, limit=1
                )
            else:
                sort = [{"$sort": {field: direction}}, {"$skip": skip}, {"$limit": 1}]
                stages = [*self.stages(conditions, sort=False), *sort]
                found = self.collection.aggregate([s for s in stages if s != {"$skip": 0}])
            with found:
                return next(iter(found), None)

    def _ordered(
        self, batches: Generator[bytes, None, None], documents: Documents
    ) -> Generator[Chunk, None, None]:
        with closing(batches):
            for found, value, last in self._sections(batches):
                rows = documents.converted(found)
                cursor = {"field": self.order.field, "value": saved(value), "more": not last}
                yield Chunk(rows.batch, cursor, rows.rejected)

    def _sections(self, batches: Iterator[bytes]) -> Iterator[Section]:
        if self.order.field == "_id" and self.config.pipeline is None:
            return self._unique(batches)
        return self._grouped(batches)

    def _unique(self, batches: Iterator[bytes]) -> Iterator[Section]:
        """Cut anywhere: no two documents have one key."""
        held: Section | None = None
        for batch in batches:
            if held:
                yield held
            found = find([batch])
            value = Keys(found, self.order.field, place=self.place)[len(found.starts) - 1]
            held = Section(found, value, last=False)
        if held:
            yield held._replace(last=True)

    def _grouped(self, batches: Iterator[bytes]) -> Iterator[Section]:
        """Cut where the key changes; memory holds the documents of one key, and one batch."""
        held: list[bytes] = []
        value: Any = None
        for batch in batches:
            if len(held) > 1 and self._all_have(value, batch):
                held.append(batch)
                continue
            found = find([*held, batch])
            keys = Keys(found, self.order.field, place=self.place)
            cut = keys.last_change()
            if cut:
                yield Section(found.before(cut), keys[cut - 1], last=False)
                begin = int(found.starts[cut])
                held = [found.buffer.data[begin : found.buffer.size]]
            else:
                held.append(batch)
            value = keys[len(found.starts) - 1]
        if held:
            yield Section(find(held), value, last=True)

    def _all_have(self, value: Any, batch: bytes) -> bool:
        keys = Keys(found := find([batch]), self.order.field, place=self.place)
        return bool(comparable(keys[len(found.starts) - 1]) == comparable(value))

    def _counted(self, since: Cursor | None) -> Generator[Chunk, None, None]:
        """Read what a pipeline gives; a read that was cut short leaves out what it gave before."""
        documents = Documents(self.place)
        done = int(since["rows"]) if since and since.get("more") else 0
        held: Found | None = None
        with closing(self._raw([], None, skip=done)) as batches:
            for batch in batches:
                if held:
                    rows = documents.converted(held)
                    yield Chunk(rows.batch, {"rows": done, "more": True}, rows.rejected)
                held = find([batch])
                done += len(held.starts)
            if held:
                rows = documents.converted(held)
                yield Chunk(rows.batch, {"rows": done, "more": False}, rows.rejected)

    def _raw(
        self,
        conditions: Sequence[Condition],
        projection: Mapping[str, Any] | None,
        *,
        skip: int = 0,
        limit: int = 0,
    ) -> Generator[bytes, None, None]:
        """Yield joined documents as the server sends them."""
        words: dict[str, Any] = {"session": self._session, "collation": self._collation}
        words |= {"allowDiskUse": True} if self.config.pipeline is not None else {}
        with mongo_errors(self.credentials):
            if self.config.pipeline is None:
                found: Any = self.collection.find_raw_batches(
                    combined(conditions),
                    projection,
                    sort=[(self.order.field, 1)],
                    limit=limit,
                    batch_size=self.config.batch_size,
                    **words,
                )
            else:
                stages = [*self.stages(conditions), *([{"$skip": skip}] if skip else [])]
                found = self.collection.aggregate_raw_batches(
                    stages, batchSize=self.config.batch_size, **words
                )
            with found:
                yield from (batch for batch in found if batch)

    # ── what is asked ────────────────────────────────────────────────────────────────────────

    def stages(self, conditions: Sequence[Condition], *, sort: bool = True) -> list[Any]:
        """Return the stages of an aggregation: the configured ones, and the conditions."""
        own = restored(self.config.pipeline) if self.config.pipeline else []
        wanted = [{"$match": combined(conditions)}] if conditions else []
        ordered = sort and self.config.field is not None
        return [*own, *wanted, *([{"$sort": {self.order.field: 1}}] if ordered else [])]

    def _after(self, since: Cursor) -> list[Condition]:
        if self.config.field is None or (self.config.cursor is None and not since["more"]):
            return []  # the next read begins anew
        if since.get("field") != self.order.field:
            raise ConfigurationError(
                f"{self.place}: the saved cursor is of {since.get('field') or 'no field'}, the"
                f" import now goes by {self.order.field}; run once with full refresh"
            )
        value = restored(since["value"])
        if since["more"] or not self.config.lookback or value is None:
            return [self.order.after(value)]
        return [self.order.since(back(value, self.config.lookback))]

    def _within(self, window: Window) -> Condition:
        if self.config.cursor is None:
            raise ConfigurationError(
                f"{self.place}: reading a window needs a time: cursor: {{field: …}}"
            )
        example = self.extreme([], -1)
        value: Any = example
        for part in self.order.field.split("."):
            value = value.get(part) if isinstance(value, dict) else None
        return {"_id": {"$in": []}} if example is None else self.order.within(window, value)

    def _projected(self) -> tuple[Mapping[str, Any] | None, str | None]:
        """Return the projection with the cursor's field in it, and that field if it was not."""
        if self.config.projection is None or self.config.field is None:
            return None, None
        asked, field = dict(restored(self.config.projection)), self.config.field
        top = field.partition(".")[0]
        if field == "_id":
            hidden = "_id" in asked and not asked["_id"]
            return (asked | {"_id": 1} if hidden else asked), "_id" if hidden else None
        inclusive = any(value for name, value in asked.items() if name != "_id")
        if not inclusive:
            kept = {name: value for name, value in asked.items() if name not in (field, top)}
            return (kept or None), top if len(kept) < len(asked) else None
        mine = [name for name in asked if name.partition(".")[0] == top]
        if field in mine or top in mine:
            return asked, None
        return asked | {field: 1}, None if mine else top

    def _begun(
        self, client: MongoClient[dict[str, Any]], opening: ExitStack
    ) -> ClientSession | None:
        if not self.config.snapshot:
            return None
        return opening.enter_context(client.start_session(snapshot=True))

    def _lacking(self) -> frozenset[int]:
        """Ask which types the server does not know; MongoDB's own knows all."""
        if self._knows(_RARE):
            return frozenset()
        return frozenset(each for each in _RARE if not self._knows({each}))

    def _knows(self, types: Set[int]) -> bool:
        from pymongo.errors import OperationFailure

        try:
            self.collection.find_one({"_id": {"$type": signed(types)}}, {"_id": 1})
        except OperationFailure as error:
            if kind_of(error) is ConfigurationError:
                return False
            raise
        return True


_NOTHING = object()


def combined(conditions: Sequence[Condition]) -> Condition:
    """Return one condition for all of them."""
    return {"$and": list(conditions)} if conditions else {}
