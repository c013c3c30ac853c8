"""Delimited text as Arrow batches of strings, with every record that is not a row kept apart.

Measured 2026-11-22, 2 cores, 599 MB of 8 columns to string batches, seconds of wall and CPU, peak
memory: ``pyarrow.csv.open_csv`` 1 MB blocks, one thread 0.71 / 0.82, 144 MB; 4 MB blocks 0.81 /
0.97, 282 MB; byte ranges parsed by two threads 0.68 / 1.22, 145 MB; DuckDB ``all_varchar`` 1.32 /
2.10, 328 MB (with ``store_rejects`` 1.21 / 2.01). One thread wins on work done, leaves the other
core to the sink, and is the only one that numbers the records it refuses. Checking for UTF-8 apart
from parsing costs 0.1 s of that. Text and then a cast to the 8 types took 1.06 where parsing
straight to types took 0.86: not worth a second path, because one bad value fails a typed parse.
"""

from __future__ import annotations

import csv
import io
from collections import deque
from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager, ExitStack, closing
from functools import reduce
from itertools import islice
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv as pacsv

from airflow_provider_spotify.core.clients.text import MARK, Utf8
from airflow_provider_spotify.core.errors import DataError
from airflow_provider_spotify.core.rejects import rejects

BLOCK = 1 << 20
LONGEST = 256 << 20
"""Bytes of the longest record: blocks grow up to this when a record does not fit into one."""

Opener = Callable[[], AbstractContextManager[pa.NativeFile]]


class Dialect(NamedTuple):
    """How a delimited text is written.

    :param columns: the names, where the text has no header
    :param skip_rows: lines before the header or the first row
    """

    delimiter: str = ","
    quote: str | None = '"'
    escape: str | None = None
    encoding: str = "utf-8"
    columns: tuple[str, ...] | None = None
    skip_rows: int = 0


class Trouble(NamedTuple):
    """A record that is not a row; ``record`` counts from 1 at the first line of the file."""

    record: int
    text: str
    reason: str


class _Scanned(NamedTuple):
    """Records ``first`` (included) to ``last`` (excluded): rows, and troubles in order."""

    first: int
    last: int
    rows: pa.RecordBatch
    troubles: list[Trouble]


def read_records(
    open_text: Opener, dialect: Dialect, *, name: str, start: int = 0
) -> Iterator[tuple[pa.RecordBatch, int, pa.RecordBatch | None]]:
    """Yield rows as strings, the number of the record after them, and the refused records.

    :param start: number of the first record to give; 0 for all
    :raises DataError: if the text cannot be decoded, or a record is longer than ``LONGEST``
    """
    block = BLOCK
    while True:
        try:
            for part in _read(open_text, dialect, name=name, start=start, block=block):
                start = part[1]
                yield part
        except DataError as error:
            if "straddl" not in str(error):
                raise
            block *= 16
            if block > LONGEST:
                message = f"{name}: a record after record {start} has no end; is a quote left open?"
                raise DataError(message) from error
        else:
            return


def _read(
    open_text: Opener, dialect: Dialect, *, name: str, start: int, block: int
) -> Iterator[tuple[pa.RecordBatch, int, pa.RecordBatch | None]]:
    names = _names(open_text, dialect)
    if names is None:
        return
    seen = 0
    with ExitStack() as stack:
        scan = stack.enter_context(closing(_scan(open_text, dialect, names=names, block=block)))
        lines: Iterator[int] | None = None
        for first, last, rows, troubles in scan:
            old = [t for t in troubles if t.record < start]
            fresh = troubles[len(old) :]
            seen += len(old)
            if last <= start:
                continue
            rows = rows.slice(max(0, start - first - len(old)))
            rejected = None
            if fresh:
                if lines is None:
                    counted = _lines(open_text, dialect, names=names, block=block)
                    lines = islice(stack.enter_context(closing(counted)), seen, None)
                rejected = _rejected(fresh, [next(lines) for _ in fresh], name=name)
            if rows.num_rows or rejected:
                yield rows, last, rejected


def _rejected(troubles: list[Trouble], lines: list[int], *, name: str) -> pa.RecordBatch:
    return rejects(
        [t.text for t in troubles],
        stage="source",
        reason=[t.reason for t in troubles],
        location=[f"{name}:{line}" for line in lines],
    )


def _names(open_text: Opener, dialect: Dialect) -> tuple[str, ...] | None:
    """Read the header; None if the text has no first row."""
    with open_text() as stream:
        head = Utf8(stream, encoding=dialect.encoding).read(BLOCK).decode(errors="replace")
    if dialect.columns is not None:
        return dialect.columns if head else None
    text = io.StringIO(head.lstrip("\ufeff"), newline="")
    for _ in range(dialect.skip_rows):
        text.readline()
    reader = csv.reader(
        text,
        delimiter=dialect.delimiter,
        quotechar=dialect.quote,
        escapechar=dialect.escape,
        quoting=csv.QUOTE_NONE if dialect.quote is None else csv.QUOTE_MINIMAL,
    )
    return next((tuple(row) for row in reader if row), None)


def _scan(
    open_text: Opener, dialect: Dialect, *, names: tuple[str, ...], block: int, blanks: bool = False
) -> Generator[_Scanned, None, None]:
    """Parse the text once.

    :param blanks: count empty lines as records, so that record numbers can become line numbers
    """
    waiting: deque[Trouble] = deque()
    with open_text() as raw:
        text = Utf8(raw, encoding=dialect.encoding)
        try:
            reader = _reader(pa.PythonFile(text, mode="r"), dialect, names, block, blanks, waiting)
        except pa.ArrowInvalid as error:
            if "Empty CSV file" in str(error):  # a header alone, without a line end
                return
            raise
        with reader:
            first = 1 + dialect.skip_rows + (dialect.columns is None)
            for batch in reader:
                last = first + batch.num_rows
                refused = []
                # A trouble right behind the last row may be known already or not yet: either way
                # the record numbers, and so the cursor, say exactly what was given.
                while waiting and waiting[0].record <= last:
                    refused.append(waiting.popleft())
                    last += 1
                rows, undecodable = _marked(batch, first, refused) if text.marked else (batch, [])
                yield _Scanned(first, last, rows, sorted(refused + undecodable))
                first = last
            if waiting:
                empty = pa.RecordBatch.from_pylist([], pa.schema([(n, pa.string()) for n in names]))
                yield _Scanned(first, first + len(waiting), empty, list(waiting))


def _reader(
    stream: pa.NativeFile,
    dialect: Dialect,
    names: tuple[str, ...],
    block: int,
    blanks: bool,
    waiting: deque[Trouble],
) -> pacsv.CSVStreamingReader:
    def refuse(row: pacsv.InvalidRow) -> str:
        reason = f"{row.actual_columns} fields where {row.expected_columns} are expected"
        waiting.append(Trouble(row.number, row.text, reason))
        return "skip"

    return pacsv.open_csv(
        stream,
        read_options=pacsv.ReadOptions(
            use_threads=False,
            block_size=block,
            skip_rows=dialect.skip_rows,
            column_names=dialect.columns,
        ),
        parse_options=pacsv.ParseOptions(
            delimiter=dialect.delimiter,
            quote_char=dialect.quote or False,
            double_quote=dialect.quote is not None,
            escape_char=dialect.escape or False,
            newlines_in_values=dialect.quote is not None or dialect.escape is not None,
            ignore_empty_lines=not blanks,
            invalid_row_handler=refuse,
        ),
        convert_options=pacsv.ConvertOptions(
            check_utf8=False,
            column_types=dict.fromkeys(names, pa.string()),
            strings_can_be_null=False,
        ),
    )


def _marked(
    batch: pa.RecordBatch, first: int, refused: list[Trouble]
) -> tuple[pa.RecordBatch, list[Trouble]]:
    """Take out the rows of which some byte could not be decoded."""
    bad = [pc.match_substring(column, MARK) for column in batch.columns]
    rows = pc.indices_nonzero(reduce(pc.or_, bad)).to_pylist()
    if not rows:
        return batch, []
    taken = {trouble.record for trouble in refused}
    records = [r for r in range(first, first + batch.num_rows + len(taken)) if r not in taken]
    troubles = [
        Trouble(
            records[row],
            ",".join(column[row].as_py() for column in batch.columns),
            "holds bytes that cannot be decoded; is encoding: right?",
        )
        for row in rows
    ]
    keep = pa.array([True] * batch.num_rows).to_numpy(zero_copy_only=False)
    keep[rows] = False
    return batch.filter(pa.array(keep)), troubles


def _lines(
    open_text: Opener, dialect: Dialect, *, names: tuple[str, ...], block: int
) -> Generator[int, None, None]:
    """Yield the line on which each trouble begins, by reading the text a second time.

    Only a text with refused records pays for it: counting line breaks inside of values while
    reading would cost every text a sixth more.
    """
    inside = sum(name.count("\n") for name in names) if dialect.columns is None else 0
    for scanned in _scan(open_text, dialect, names=names, block=block, blanks=True):
        texts = 0
        for i, trouble in enumerate(scanned.troubles):
            rows = scanned.rows.slice(0, trouble.record - scanned.first - i)
            yield trouble.record + inside + _breaks(rows) + texts
            texts += trouble.text.count("\n")
        inside += _breaks(scanned.rows) + texts


def _breaks(rows: pa.RecordBatch) -> int:
    """Count the line breaks inside of values."""
    counts = (pc.sum(pc.count_substring(column, "\n")).as_py() or 0 for column in rows.columns)
    return sum(counts)
