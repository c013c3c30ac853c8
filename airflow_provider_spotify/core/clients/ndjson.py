"""Lines of JSON as Arrow batches, whatever is wrong with some lines.

Measured 2026-11-22, 2 cores, 1 M lines of 218 MB (9 fields, one nested), seconds of wall and CPU,
peak memory: ``pyarrow.json.open_json`` 1 MB blocks 0.61 / 1.20, 148 MB; 4 MB blocks parsed by two
threads against a known schema 0.68 / 1.28, 166 MB; DuckDB ``read_ndjson`` 0.61-0.69 / 1.00, 217 MB.
Blocks of our own are chosen: the others fail on, or drop without a word, a line that is no JSON or
of another type, and only here does a block that fails go line by line while the rest stays fast.
"""

from __future__ import annotations

import json
import re
from collections import deque
from collections.abc import Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, NamedTuple

import orjson
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import json as pajson

from airflow_provider_spotify.core.rejects import rejects

BLOCK = 4 << 20
THREADS = 2
_INT64 = 2.0**63
_LONG = re.compile(rb"\d{19}")


class Block(NamedTuple):
    """Whole lines; ``offset`` and ``line`` are where the text after them begins."""

    data: bytes
    first_line: int
    offset: int
    line: int


class Parsed(NamedTuple):
    """The rows of one block, and its lines that are no rows."""

    batch: pa.RecordBatch
    rejected: pa.RecordBatch | None


def blocks(stream: Any, *, offset: int = 0, line: int = 1, size: int = BLOCK) -> Iterator[Block]:
    """Cut a stream of bytes at line ends.

    :param stream: anything with ``read(size) -> bytes``, standing at ``offset``
    :param line: number of the line that begins there
    """
    rest: list[bytes] = []
    while data := stream.read(size):
        head, newline, tail = data.rpartition(b"\n")
        if not newline:
            rest.append(tail)
            continue
        whole = b"".join([*rest, head, newline])
        offset, first, line = offset + len(whole), line, line + whole.count(b"\n")
        yield Block(whole, first, offset, line)
        rest = [tail] if tail else []
    if whole := b"".join(rest):
        yield Block(whole, line, offset + len(whole), line + 1)


def parse_all(source: Iterator[Block], *, name: str) -> Generator[tuple[Block, Parsed], None, None]:
    """Parse blocks in order, ``THREADS`` at a time; each knows the types of those before it.

    :param name: the file, for the location of what is rejected
    """
    schema: pa.Schema | None = None
    under_way: deque[tuple[Block, Future[Parsed]]] = deque()
    pool = ThreadPoolExecutor(THREADS, thread_name_prefix="ndjson")
    try:
        for block in source:
            under_way.append((block, pool.submit(parse, block, schema=schema, name=name)))
            if schema is None or len(under_way) > THREADS:
                done, future = under_way.popleft()
                parsed = future.result()
                schema = merged(schema, parsed.batch.schema)
                yield done, parsed
        for done, future in under_way:
            yield done, future.result()
    finally:
        pool.shutdown(cancel_futures=True)


def parse(block: Block, *, schema: pa.Schema | None, name: str) -> Parsed:
    """Parse the lines of one block.

    Texts stay texts, also those that look like dates. Integers among floats become double. Where
    a field is now a scalar, now an object or list, or its types cannot be one, it becomes text:
    texts as they are, everything else as JSON.
    """
    if not block.data.strip():
        return Parsed(empty(), None)
    try:
        return Parsed(fast(block.data, schema), None)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, UnicodeDecodeError):
        return _line_by_line(block, schema, name=name)


def fast(data: bytes, schema: pa.Schema | None) -> pa.RecordBatch:
    """Parse lines that are all well.

    :param schema: what is known of the types; columns that it lacks come after its own
    :raises pa.ArrowInvalid, pa.ArrowNotImplementedError, UnicodeDecodeError: if some are not
    """
    try:
        table = _parsed(data, schema)
    except pa.ArrowInvalid:
        table = _parsed(data, None)
    plain = pa.schema([field.with_type(_undated(field.type)) for field in table.schema])
    if plain != table.schema:
        table = _parsed(data, plain)
    table = table.combine_chunks()
    table.validate(full=True)  # Arrow's JSON reader does not look whether texts are UTF-8
    for column in table.columns:
        # An integer beyond 64 bits was read as a double and has lost digits.
        if pa.types.is_floating(column.type) and (pc.max(pc.abs(column)).as_py() or 0) >= _INT64:
            raise pa.ArrowInvalid("integer beyond 64 bits")
    batches = table.to_batches()
    return batches[0] if batches else empty()


def _parsed(data: bytes, schema: pa.Schema | None) -> pa.Table:
    return pajson.read_json(
        pa.BufferReader(data),
        read_options=pajson.ReadOptions(use_threads=False, block_size=len(data) + 1),
        parse_options=pajson.ParseOptions(explicit_schema=schema, newlines_in_values=False),
    )


def _undated(kind: pa.DataType) -> pa.DataType:
    """Undo Arrow's guess that a text is a time: the same field may hold any text later."""
    if pa.types.is_timestamp(kind):
        return pa.string()
    if pa.types.is_struct(kind):
        return pa.struct([f.with_type(_undated(f.type)) for f in kind.fields])
    if pa.types.is_list(kind):
        return pa.list_(kind.value_field.with_type(_undated(kind.value_type)))
    return kind


def merged(schema: pa.Schema | None, new: pa.Schema) -> pa.Schema:
    """Return the schema that the next block is parsed against."""
    if schema is None or not len(schema):
        return new
    try:
        return pa.unify_schemas([schema, new], promote_options="permissive")
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        return new


def _line_by_line(block: Block, schema: pa.Schema | None, *, name: str) -> Parsed:
    rows: list[dict[str, Any]] = []
    bad: list[tuple[str, str, str]] = []
    for number, line in enumerate(block.data.splitlines(), block.first_line):
        if not line.strip():
            continue
        try:
            row = decoded(line)
            reason = None if isinstance(row, dict) else f"a {type(row).__name__}, not an object"
        except ValueError as error:
            reason = str(error)
        if reason is None:
            rows.append(row)
        else:
            text = line.decode(errors="replace")
            bad.append((text, f"not a JSON object: {reason}", f"{name}:{number}"))
    rejected = None
    if bad:
        texts, reasons, places = (list(column) for column in zip(*bad, strict=True))
        rejected = rejects(texts, stage="source", reason=reasons, location=places)
    return Parsed(columns(rows, schema), rejected)


def decoded(line: bytes) -> Any:
    """Decode one line; orjson would make a double of an integer beyond 64 bits, ``json`` not."""
    return json.loads(line, parse_constant=_refuse) if _LONG.search(line) else orjson.loads(line)


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is not JSON")


def columns(rows: list[dict[str, Any]], schema: pa.Schema | None) -> pa.RecordBatch:
    """Turn decoded objects into a batch; what does not fit one type becomes text."""
    names = dict.fromkeys(name for row in rows for name in row)
    if not names:
        return pa.RecordBatch.from_struct_array(pa.array(rows, pa.struct([])))
    known = {field.name: field.type for field in schema} if schema else {}
    arrays = [_array([row.get(n) for row in rows], known.get(n)) for n in names]
    return pa.RecordBatch.from_arrays(arrays, names=list(names))


def _array(values: list[Any], known: pa.DataType | None) -> pa.Array:
    try:
        found = pa.array(values)
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError):
        return _texts(values)
    texts = known is not None and pa.types.is_string(known)
    return _texts(values) if texts and not pa.types.is_string(found.type) else found


def _texts(values: list[Any]) -> pa.Array:
    return pa.array(
        [v if v is None or isinstance(v, str) else _json(v) for v in values], pa.string()
    )


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def empty() -> pa.RecordBatch:
    """Return a batch of nothing."""
    return pa.RecordBatch.from_arrays([], schema=pa.schema([]))
