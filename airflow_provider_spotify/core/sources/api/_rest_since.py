"""How a REST source asks for what is new since the last time."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import Field, field_validator

from airflow_provider_spotify.core.config.rules import Duration
from airflow_provider_spotify.core.errors import DataError
from airflow_provider_spotify.core.model import Frozen, Window
from airflow_provider_spotify.core.sources.web.boundary import MOST_SEEN, Record, digest
from airflow_provider_spotify.core.sources.web.pages import dig
from airflow_provider_spotify.core.sources.web.times import TIME_FORMATS, parse_time, write_time

_FORMATS = (*TIME_FORMATS, "value")


class Incremental(Frozen):
    """Which parameter asks for what is new, and which field of a record says how new it is."""

    param: str = Field(description="parameter that takes the lower bound")
    field: str = Field(description="path of the time, or of a rising number, in a record")
    format: str = Field(
        "iso", description=f"how the bound is written: {', '.join(_FORMATS)} or a strftime pattern"
    )
    end_param: str | None = Field(None, description="parameter that takes a window's end")
    start: str | int | None = Field(None, description="the bound of the first run")
    lookback: Duration = Field(timedelta(0), description="how far to look back for late rows")

    @field_validator("format")
    @classmethod
    def _known(cls, value: str) -> str:
        if value not in _FORMATS and "%" not in value:
            raise ValueError(f"one of {', '.join(_FORMATS)}, or a strftime pattern such as %Y%m%d")
        return value

    def value(self, record: Record) -> Any:
        """Return what a record's field says: a time in UTC, or the value itself; None: nothing."""
        raw = dig(record, self.field)
        return raw if self.format == "value" else parse_time(raw)

    def load(self, text: Any) -> Any:
        """Read a bound from a cursor."""
        return text if self.format == "value" or text is None else datetime.fromisoformat(text)

    def dump(self, bound: Any) -> Any:
        """Write a bound for a cursor."""
        return bound.isoformat() if isinstance(bound, datetime) else bound

    def write(self, bound: Any) -> Any:
        """Write a bound as the parameter wants it; what is finer than its format is cut off."""
        return bound if self.format == "value" else write_time(bound, self.format)

    def identity(self, record: Record) -> str:
        """Return the whole row's digest: a row that has changed is another one."""
        return digest(record)

    def lowest(self, bound: Any) -> Any:
        """Return the lowest value that asking for this bound may answer with."""
        if self.format == "value":
            return bound
        back = bound - self.lookback
        if "%" in self.format:
            try:
                return datetime.strptime(self.write(back), self.format).replace(tzinfo=UTC)
            except ValueError:
                return datetime.combine(back.date(), datetime.min.time(), UTC)
        return parse_time(self.write(back))


def inside(config: Incremental, window: Window, records: Sequence[Record]) -> list[Record]:
    """Return the records whose time lies in a window; one without a time is the API's to judge."""
    times = [config.value(record) for record in records]
    return [
        record
        for record, time in zip(records, times, strict=True)
        if time is None or window.start <= time < window.end
    ]


def require_known(seen: Sequence[str] | None, *, path: str, bound: Any) -> None:
    """Make sure that rows which are given again can be told from new ones.

    :param seen: what the last run remembered of those at or above the bound; None: too many
    :raises DataError: if it remembered none of them
    """
    if seen is None:
        raise DataError(
            f"rest {path}: more than {MOST_SEEN:,} of the rows that were read come again with"
            f" incremental.field at or above {bound!r}, too many to tell them from new ones. Write"
            " by merge with a key, so that they may come again; or write by replace"
        )
