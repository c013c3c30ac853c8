"""The nouns that every part of an import shares."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Self, TypeAlias
from urllib.parse import parse_qsl, unquote, urlsplit

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, SecretStr, model_validator

from airflow_provider_spotify.core.errors import ConfigurationError

if TYPE_CHECKING:
    import pyarrow as pa

Cursor: TypeAlias = Mapping[str, Any]
"""Where reading goes on: JSON, opaque to everyone but the source that gave it."""

LOAD_ID = "_load_id"
"""The column that names, in every row, the load that wrote it (int64)."""

ROOT_SETTING = "SPOTIFY_IMPORTS_ROOT"
"""The environment variable that names the folder which relative paths of a YAML start from."""


def rooted(path: str) -> str:
    """Resolve a relative local path; an absolute one, a URL or ``:memory:`` stays as it is.

    It starts from the folder that ``SPOTIFY_IMPORTS_ROOT`` names, else from the working directory,
    so a tenant's YAML says the same on every machine. Wildcards are kept.
    """
    if "://" in path or path.startswith(":") or Path(path).is_absolute():
        return path
    return str(Path(os.environ.get(ROOT_SETTING) or Path.cwd()) / path)


class Frozen(BaseModel):
    """Base of every noun: immutable, no unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Credentials(Frozen):
    """What is needed to reach a system: Airflow's Connection without Airflow.

    Printing one shows no secret: ``password`` and ``extra`` are hidden.
    """

    host: str | None = None
    port: int | None = None
    login: str | None = None
    password: SecretStr | None = None
    database: str | None = None
    extra: Mapping[str, Any] = Field(default_factory=dict, repr=False)

    @classmethod
    def from_uri(cls, uri: str) -> Credentials:
        """Read ``scheme://login:password@host:port/database?extra=…``.

        :raises ConfigurationError: if the text is not a URI; the text itself is never repeated
        """
        try:
            parts = urlsplit(uri)
            port = parts.port
        except ValueError:  # its message repeats a part, which may be of the password
            raise ConfigurationError("a connection URI is malformed (it is not shown)") from None
        return cls(
            host=parts.hostname,
            port=port,
            login=unquote(parts.username) if parts.username else None,
            password=SecretStr(unquote(parts.password)) if parts.password else None,
            database=unquote(parts.path.lstrip("/")) or None,
            extra=dict(parse_qsl(parts.query)),
        )

    def secret(self, name: str = "password") -> str | None:
        """Return a secret in clear: ``password``, or a key of ``extra``."""
        if name == "password":
            return self.password.get_secret_value() if self.password else None
        value = self.extra.get(name)
        return None if value is None else str(value)


class Chunk(NamedTuple):
    """Rows, and the promise that goes with them.

    Once everything up to and including ``batch`` is durable, reading may resume from ``cursor``.
    ``rejected`` holds records that the source could not turn into rows (``REJECTED_SCHEMA``).
    """

    batch: pa.RecordBatch
    cursor: Cursor
    rejected: pa.RecordBatch | None = None


class Window(Frozen):
    """A span of time, start inclusive and end exclusive, both with a zone."""

    start: AwareDatetime
    end: AwareDatetime

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.start >= self.end:
            raise ValueError(f"start {self.start} is not before end {self.end}")
        return self


class DatasetName(NamedTuple):
    """A dataset as OpenLineage names it: https://openlineage.io/docs/spec/naming/."""

    namespace: str
    name: str


class Health(Frozen):
    """What a connection test found."""

    ok: bool
    message: str
    seconds: float = 0.0


class CheckResult(Frozen):
    """The outcome of one quality check over one load."""

    check: str
    columns: tuple[str, ...] = ()
    severity: Literal["warn", "error"] = "error"
    passed: bool
    failed_rows: int = 0
    message: str = ""


class ColumnProfile(Frozen):
    """What one column of one load looked like; ``distinct`` and ``quantiles`` are of a sample."""

    name: str
    type: str
    nulls: int
    distinct: int | None = None
    min: Any = None
    max: Any = None
    quantiles: tuple[float, ...] | None = None


class MaskedColumn(Frozen):
    """A column that privacy changed, and how."""

    name: str
    action: str


class SchemaChange(Frozen):
    """One step a table's schema took during a load."""

    column: str
    change: Literal["added", "widened", "dropped"]
    old: str | None = None
    new: str | None = None


class LoadReport(Frozen):
    """What one load did. Times are seconds, sizes bytes of Arrow memory.

    :param usage: what it asked of an API: requests, retries, cache_hits, waited (seconds), records
        and cost (US dollars); empty for a source that is none
    :param stopped: why it ended before all was read; the next load goes on there
    """

    tenant: str
    import_name: str
    table: str
    load_id: int
    run_id: str
    source: tuple[str, str]
    destination: tuple[str, str]
    started_at: datetime
    finished_at: datetime
    rows: int = 0
    bytes: int = 0
    rejected: int = 0
    seconds: Mapping[str, float] = Field(default_factory=dict)
    cursor_before: Cursor | None = None
    cursor_after: Cursor | None = None
    schema_changes: Sequence[SchemaChange] = ()
    columns: Sequence[ColumnProfile] = ()
    checks: Sequence[CheckResult] = ()
    masked: Sequence[MaskedColumn] = ()
    undeclared_pii: Mapping[str, str] = Field(default_factory=dict)
    usage: Mapping[str, float] = Field(default_factory=dict)
    stopped: str | None = None
    dry_run: bool = False


class Part(Frozen):
    """One of the parts that a load is read in, which are published together."""

    number: int = Field(ge=1)
    of: int = Field(ge=1)

    @model_validator(mode="after")
    def _among(self) -> Self:
        if self.number > self.of:
            raise ValueError(f"there is no part {self.number} of {self.of}")
        return self


class Run(Frozen):
    """Why and how far one execution of an import goes.

    :param run_id: the caller's name of the run; the same run repeated replaces its own rows
    :param window: read exactly this span and leave the cursor where it is
    :param full_refresh: forget the cursor and read everything
    :param dry_run: read and transform, write nothing
    :param partition: a slice that is loaded by itself, with a cursor of its own
    :param part: which part of a load this is; it stays invisible until all are published together
    :param replay: read the rejected records again instead of the source; the cursor stays
    """

    run_id: str
    window: Window | None = None
    full_refresh: bool = False
    dry_run: bool = False
    partition: str | None = None
    part: Part | None = None
    replay: bool = False


def load_id(tenant: str, import_name: str, run: Run) -> int:
    """Derive the id of a load: a positive 63-bit integer, the same for the same run.

    A load of a window is named by the window, so repeating it by any way replaces it.
    """
    span = f"{run.window.start.timestamp()}/{run.window.end.timestamp()}" if run.window else None
    names = (tenant, import_name, span or run.run_id, run.partition or "")
    parts = (*names, f"{run.part.number}/{run.part.of}") if run.part else names
    digest = hashlib.blake2b("\0".join(parts).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1
