"""Carries chunks from a source through the transforms: two threads, and a bound in bytes."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing
from typing import TYPE_CHECKING, NamedTuple

from airflow_provider_spotify.core.ahead import ahead, sized
from airflow_provider_spotify.core.model import Chunk, Cursor
from airflow_provider_spotify.core.progress import Meter

if TYPE_CHECKING:
    import pyarrow as pa

    from airflow_provider_spotify.core.transforms.chain import Chain

LANE_BYTES = 16 * 1024 * 1024
"""How much may wait between two stages; with two lanes this bounds the memory of a load."""

Patience = Callable[[], float | None]
"""Says how many seconds to wait for the next chunk; None: however long it takes."""


class Ready(NamedTuple):
    """A chunk after the transforms: rows for the table, and records for its rejects.

    ``schema`` and ``newest`` are the contract's and the checks' as this chunk left them: the
    transforms run ahead of the sink, and a checkpoint must not know what is to come.
    """

    batch: pa.RecordBatch
    rejected: Sequence[pa.RecordBatch]
    cursor: Cursor
    schema: pa.Schema | None
    newest: Mapping[str, str]


def flow(
    chunks: Generator[Chunk, None, None],
    chain: Chain,
    meter: Meter,
    *,
    lane: int = LANE_BYTES,
    patience: Patience | None = None,
) -> Generator[Ready | None, None, None]:
    """Read and transform, each in a thread of its own.

    :param lane: the bytes that may wait between two stages; one chunk always may
    :param patience: asked before each chunk; when it runs out, None is yielded in its place
    """
    read = ahead(_timed(chunks, meter), size=_chunk_size, limit=lane, name="read")
    shaped = _transform(_given(read), chain, meter)
    return ahead(shaped, size=_ready_size, limit=lane, name="transform", patience=patience)


def _given(chunks: Generator[Chunk | None, None, None]) -> Generator[Chunk, None, None]:
    with closing(chunks):
        for chunk in chunks:
            if chunk is not None:
                yield chunk


def _timed(chunks: Generator[Chunk, None, None], meter: Meter) -> Generator[Chunk, None, None]:
    with closing(chunks):
        while True:
            with meter.stage("read"):
                chunk = next(chunks, None)
            if chunk is None:
                return
            yield chunk


def _transform(
    chunks: Generator[Chunk, None, None], chain: Chain, meter: Meter
) -> Generator[Ready, None, None]:
    with closing(chunks):
        for chunk in chunks:
            with meter.stage("transform"):
                applied = chain.apply(chunk.batch, rejected=chunk.rejected)
            schema, newest = chain.contract.agreed, chain.quality.newest
            yield Ready(applied.batch, applied.rejected, chunk.cursor, schema, newest)


def _chunk_size(chunk: Chunk) -> int:
    return sized((chunk.batch, chunk.rejected))


def _ready_size(item: Ready) -> int:
    return sized((item.batch, *item.rejected))
