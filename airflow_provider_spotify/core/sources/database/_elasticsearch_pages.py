"""Cuts an answer of Elasticsearch into rows, by a parser that knows what to expect if it can."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json

from airflow_provider_spotify.core.clients.elasticsearch import whole
from airflow_provider_spotify.core.errors import DataError
from airflow_provider_spotify.core.sources.database._elasticsearch_mapping import Mapped
from airflow_provider_spotify.core.sources.database._elasticsearch_shapes import Disagree, Shape

_log = logging.getLogger(__name__)

_FIRST = b'"hits":[{"_index":'
_NEXT = b'},{"_index":'
_LINE = b'}\n{"_index":'
_SORT = b',"sort":['
_END = b"]}]}}"

METADATA: Mapping[str, pa.DataType] = {
    "_index": pa.string(),
    "_id": pa.string(),
    "_version": pa.int64(),
    "_seq_no": pa.int64(),
    "_primary_term": pa.int64(),
    "_routing": pa.string(),
    "_ignored": pa.list_(pa.string()),
}
"""What a hit says about its document; ``_ignored`` names fields whose values were not indexed."""
_UNUSED: Mapping[str, pa.DataType] = {"_score": pa.null(), "_source": pa.null()}


class Page(NamedTuple):
    """One answer.

    :param hits: how many it has; more only if documents hold objects that look like hits
    :param last: the sort values of the last hit
    :param point: the point in time to go on with
    :param lines: the hits as lines of JSON, if they could be cut; else ``body`` is to be read
    :param keys: what the hits are sorted by, if the lines do not hold it
    """

    hits: int
    last: Sequence[Any] | None
    point: str | None
    body: bytes
    lines: bytes | None = None
    keys: Sequence[Any] | None = None


class Rows(NamedTuple):
    """The documents of a page, and what each is sorted by."""

    batch: pa.RecordBatch
    keys: Sequence[Any]


def page(body: bytes, *, texts: bool = False) -> Page:
    """Look at an answer's frame, and cut its hits apart without reading them.

    :param texts: the hits are sorted by texts, which Arrow cannot read in a list with a number
    :raises TransientError: if a shard is missing from it
    """
    start = body.find(_FIRST)
    if start < 0 or not body.endswith(_END):
        return _read(body)
    # `{…,"hits":{…,` ends in the middle of two objects.
    answer = orjson.loads(body[:start].rstrip(b",") + b"}}")
    whole(answer)
    point = answer.get("pit_id")
    hits = body[start + len(_FIRST) - len(_NEXT) + 2 : -len(_END) + 1]
    last = orjson.loads(hits[hits.rfind(_SORT) + len(_SORT) - 1 :])
    if not texts:
        lines = hits.replace(_NEXT, _LINE) + b"}"
        return Page(lines.count(b"\n") + 1, last, point, body, lines)
    heads, found, keys = zip(*(each.rpartition(_SORT) for each in hits.split(_NEXT)), strict=True)
    if not all(found):  # documents hold objects that look like hits
        return _read(body)
    listed = orjson.loads(b"[[" + b",[".join(keys) + b"]")
    return Page(len(keys), last, point, body, _LINE.join(heads) + b"}", [k[0] for k in listed])


def _read(body: bytes) -> Page:
    answer = orjson.loads(body)
    whole(answer)
    keys = [hit["sort"] for hit in answer.get("hits", {}).get("hits", ())]
    return Page(len(keys), keys[-1] if keys else None, answer.get("pit_id"), body)


class Documents:
    """Converts pages to batches: the hits' metadata, then the columns of the documents.

    :param fields: the mapping, which gives types and the order of columns
    :param lists: dotted paths of fields that always become lists
    :param metadata: which of ``METADATA`` become columns
    """

    def __init__(
        self, fields: Mapping[str, Mapped], *, lists: Collection[str], metadata: Sequence[str]
    ) -> None:
        self._metadata = {name: METADATA[name] for name in metadata}
        self._lists = lists
        self._shapes = {
            name: Shape(mapped, path=name, lists=lists) for name, mapped in fields.items()
        }
        self._settled = False

    def rows(self, page: Page, *, key: pa.DataType) -> Rows:
        """Convert one page. The first one is looked at value by value, to find the lists.

        :param key: the type of what the hits are sorted by
        """
        found = self._fast(page, key) if page.lines and self._settled else None
        if found is None or found.batch.num_rows != page.hits:
            found = self._careful(page)
        self._settled = True
        return found

    def _fast(self, page: Page, key: pa.DataType) -> Rows | None:
        """Parse with the types known so far; None if the page holds anything else."""
        source = [(name, shape.raw) for name, shape in self._shapes.items()]
        types = {**METADATA, **_UNUSED, "_source": pa.struct(source)}
        if page.keys is None:
            types["sort"] = pa.list_(key)
        schema = pa.schema(list(types.items()))
        lines = page.lines or b""
        try:
            table = pyarrow.json.read_json(
                io.BytesIO(lines),
                read_options=pyarrow.json.ReadOptions(use_threads=False, block_size=len(lines) + 1),
                parse_options=pyarrow.json.ParseOptions(
                    explicit_schema=schema, newlines_in_values=False
                ),
            )
            if not table.schema.equals(schema):  # a field that was not seen before
                return None
            (rows,) = table.to_batches()
            keys = page.keys or pc.list_element(rows.column("sort"), 0).to_pylist()
            return Rows(self._finished(rows), keys)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError, Disagree):
            return None

    def _finished(self, rows: pa.RecordBatch) -> pa.RecordBatch:
        source = rows.column("_source")
        columns = {name: rows.column(name) for name in self._metadata}
        for name, shape in self._shapes.items():
            columns[name] = shape.finish(source.field(name))
        return pa.RecordBatch.from_pydict(columns)

    def _careful(self, page: Page) -> Rows:
        hits = orjson.loads(page.body)["hits"]["hits"]
        documents = [hit.get("_source") for hit in hits]
        if any(document is None for document in documents):
            raise DataError("Elasticsearch gave a document without _source; look at its mapping")
        columns = {
            name: pa.array([hit.get(name) for hit in hits], kind)
            for name, kind in self._metadata.items()
        }
        for name in dict.fromkeys(name for document in documents for name in document):
            if name not in self._shapes:
                self._shapes[name] = Shape(path=name, lists=self._lists)
        for name in self._shapes:
            columns[name] = self._column(name, [document.get(name) for document in documents])
        return Rows(pa.RecordBatch.from_pydict(columns), [hit["sort"][0] for hit in hits])

    def _column(self, name: str, values: list[Any]) -> pa.Array:
        try:
            return self._shapes[name].build(values)
        except Disagree:
            _log.warning(
                "column %s holds values of several kinds and becomes text (JSON); where some are "
                "lists, name it in lists:",
                name,
            )
            self._shapes[name] = Shape.json()
            return self._shapes[name].build(values)


def aligned(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """Give a batch the schema of a later one, which has grown."""
    columns = []
    for field in schema:
        place = batch.schema.get_field_index(field.name)
        old = pa.nulls(batch.num_rows) if place < 0 else batch.column(place)
        columns.append(old if old.type.equals(field.type) else _recast(old, field.type))
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def _recast(array: pa.Array, kind: pa.DataType) -> pa.Array:
    if not pa.types.is_string(kind) or pa.types.is_null(array.type):
        return pa.array(array.to_pylist(), kind)
    written = [
        v if v is None or isinstance(v, str) else json.dumps(v, default=str, ensure_ascii=False)
        for v in array.to_pylist()
    ]
    return pa.array(written, kind)
