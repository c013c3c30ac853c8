"""A load that writes nothing: what ``dry_run`` puts in the place of a sink's."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from airflow_provider_spotify.core.model import CheckResult, LoadReport, SchemaChange
from airflow_provider_spotify.core.sinks.base import Load, LoadSpec, Progress, Sink

if TYPE_CHECKING:
    import pyarrow as pa

    from airflow_provider_spotify.core.config.rules import Check


class Rehearsal(Load):
    """Reads where a real load would, and keeps nothing.

    :param sink: asked for the committed cursor and schema, never written to
    """

    def __init__(self, sink: Sink[Any], spec: LoadSpec) -> None:
        self.since = None if spec.run.full_refresh else sink.cursor(spec.import_name)
        self.before = self.since
        self.schema = sink.schema(spec.import_name)
        self.done = Progress(self.since, self.schema, 0, 0)

    def write(self, batch: pa.RecordBatch) -> None:
        """Let the rows go."""

    def reject(self, batch: pa.RecordBatch) -> None:
        """Let the records go."""

    def checkpoint(self, progress: Progress) -> None:
        """Keep nothing."""

    def audit(self, check: Check) -> CheckResult:
        """Pass: only a table can judge this check."""
        return CheckResult(
            check=check.check,
            columns=tuple(getattr(check, "columns", ())),
            severity=check.severity,
            passed=True,
            message="not judged in a dry run",
        )

    def publish(self, progress: Progress, report: LoadReport) -> Sequence[SchemaChange]:
        """Publish nothing; repeat what the contract saw."""
        return report.schema_changes

    def hold(self, progress: Progress, report: LoadReport) -> None:
        """Hold nothing."""

    def abandon(self) -> None:
        """Discard nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        return None
