"""Reads the rejected records of an import again, as they are or as somebody mended them."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from airflow_provider_spotify.core.config.plans import ImportPlan
from airflow_provider_spotify.core.errors import ConfigurationError
from airflow_provider_spotify.core.model import Chunk, Cursor, DatasetName, Health, Window
from airflow_provider_spotify.core.sinks.base import Sink
from airflow_provider_spotify.core.sources.base import Source, SourceConfig

if TYPE_CHECKING:
    import pyarrow as pa

    from airflow_provider_spotify.core.transforms.privacy import Sealer


class Rejected(NamedTuple):
    """One record that waits for a replay.

    :param id: names the record as it is stored; two records that are the same share it
    :param record: as it is stored: sealed, where the import declares personal columns
    """

    id: str
    stage: str
    reason: str
    column: str | None
    location: str | None
    record: str


def waiting(sink: Sink[Any], *, table: str) -> Iterator[Rejected]:
    """Yield the rejected records of a table that no replay has taken yet."""
    for batch in sink.rejected(table):
        for row in batch.to_pylist():
            yield Rejected(
                hashlib.blake2b(row["record"].encode(), digest_size=6).hexdigest(),
                row["stage"],
                row["reason"],
                row["column_name"],
                row["location"],
                row["record"],
            )


def read_mended(path: str | Path) -> dict[str, Mapping[str, Any]]:
    """Read JSON lines ``{"id": …, "record": {…}}``: what to load in the place of which record.

    :raises ConfigurationError: if a line is not of that form; the line's text is not repeated
    """
    mended: dict[str, Mapping[str, Any]] = {}
    try:
        lines = Path(path).read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"cannot read {str(path)!r}: {type(error).__name__}") from error
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        entry = _object(line)
        if set(entry or ()) != {"id", "record"} or not isinstance(entry["record"], dict):
            raise ConfigurationError(
                f'{path}:{number}: expected {{"id": "…", "record": {{…}}}}, '
                "with the id that replay --list prints"
            )
        mended[str(entry["id"])] = entry["record"]
    return mended


class Replay(Source[SourceConfig]):
    """The rejected records of one import, as a source.

    Every record that waits is read. One that is no JSON object, and one of which only a value was
    discarded while its row stayed, is set aside again unless it is mended: nothing gets lost.

    :param original: the source that the records came from; says whether they are text
    :param key: the tenant's key, with which the records are sealed
    :param mended: what to load in the place of which record, by ``Rejected.id``
    """

    Config = SourceConfig

    def __init__(
        self,
        plan: ImportPlan,
        *,
        original: Source[Any],
        sink: Sink[Any],
        key: bytes | None = None,
        mended: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> None:
        super().__init__(SourceConfig(), credentials=original.credentials, tenant=plan.tenant)
        self.textual = original.textual  # type: ignore[misc]  # of this one, not of the class
        self._plan = plan
        self._original = original
        self._sink = sink
        self._key = key
        self._mended = dict(mended or {})

    async def read(
        self, since: Cursor | None, window: Window | None = None
    ) -> AsyncIterator[Chunk]:
        """Yield the waiting records; the cursor stays what it is.

        :raises ConfigurationError: if an id of ``mended`` is none of a waiting record
        """
        records = await asyncio.to_thread(lambda: list(waiting(self._sink, table=self._plan.table)))
        unknown = sorted(self._mended.keys() - {record.id for record in records})
        if unknown:
            raise ConfigurationError(
                f"no rejected record of {self._plan.dag_id} that waits has the id "
                f"{', '.join(unknown)}; replay --list prints the ids"
            )
        if records:
            yield self._chunk(records, since or {})

    def _chunk(self, records: Sequence[Rejected], cursor: Cursor) -> Chunk:
        from airflow_provider_spotify.core.clients.json_arrow import to_batch
        from airflow_provider_spotify.core.rejects import rejects
        from airflow_provider_spotify.core.transforms.privacy import Sealer

        sealer = Sealer(self._plan.contract.columns, self._key)
        rows: list[Mapping[str, Any]] = []
        aside: list[Rejected] = []
        for record in records:
            row = self._mended.get(record.id) or _row(record, sealer)
            if row is None:
                aside.append(record._replace(record=sealer.unseal(record.record)))
            else:
                rows.append(self._named(row))
        again = [
            rejects(
                [r.record],
                stage=r.stage,
                reason=[r.reason],
                column=[r.column],
                location=[r.location],
            )
            for r in aside
        ]
        return Chunk(to_batch(rows), cursor, _joined(again))

    def _named(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """Give a record the table's names: what the contract rejected bears the source's."""
        from airflow_provider_spotify.core.transforms.naming import snake_case

        columns = self._plan.contract.columns.items()
        renamed = {column.source_name: name for name, column in columns if column.source_name}
        return {
            renamed.get(key) or snake_case(key, position=position): value
            for position, (key, value) in enumerate(row.items(), 1)
        }

    async def check(self) -> Health:
        """Ask the destination, which holds the records."""
        return await asyncio.to_thread(self._sink.check)

    async def is_ready(self, since: Cursor | None, window: Window | None = None) -> bool:
        """Say whether any record waits."""
        first = await asyncio.to_thread(next, waiting(self._sink, table=self._plan.table), None)
        return first is not None

    def dataset(self) -> DatasetName:
        """Name the source that the records came from."""
        return self._original.dataset()


def _row(record: Rejected, sealer: Sealer) -> Mapping[str, Any] | None:
    from airflow_provider_spotify.core.transforms.faults import VALUE_DISCARDED
    from airflow_provider_spotify.core.transforms.sealing import UNREADABLE

    if record.reason.startswith(VALUE_DISCARDED) or record.record == UNREADABLE:
        return None
    found: Mapping[str, Any] | None = _object(sealer.unseal(record.record))
    return found


def _object(text: str) -> Any:
    """Return the JSON object that a text is; None if it is none."""
    try:
        value = json.loads(text)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def _joined(batches: Sequence[pa.RecordBatch]) -> pa.RecordBatch | None:
    import pyarrow as pa

    return pa.Table.from_batches(batches).combine_chunks().to_batches()[0] if batches else None
