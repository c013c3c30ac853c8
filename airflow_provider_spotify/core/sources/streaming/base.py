"""What every stream shares: when reading ends, and how long a batch waits for more."""

from __future__ import annotations

from datetime import timedelta
from typing import Self, TypeVar

from pydantic import Field, model_validator

from airflow_provider_spotify.core.config.rules import Duration
from airflow_provider_spotify.core.model import Frozen
from airflow_provider_spotify.core.sources.base import Source, SourceConfig


class Until(Frozen):
    """When reading a stream ends; the first of these that holds.

    ``caught_up`` means what stood in the stream when reading began, so a busy stream ends, too.
    """

    caught_up: bool = Field(True, description="end where the stream ended when reading began")
    rows: int | None = Field(None, ge=1, description="end after so many rows, rejects counted")
    within: Duration | None = Field(None, description="end after so much time")

    @property
    def never(self) -> bool:
        """Nothing but its caller ends the reading."""
        return not self.caught_up and self.rows is None and self.within is None


class StreamConfig(SourceConfig):
    """The keys that every stream has."""

    until: Until = Until()
    batch_size: int = Field(65_536, ge=1, description="rows per batch, at most")
    linger: Duration = Field(
        timedelta(milliseconds=500), description="how long a begun batch waits for more rows"
    )

    @model_validator(mode="after")
    def _ends(self) -> Self:
        if self.linger < timedelta(0):
            raise ValueError("linger cannot be negative")
        return self


S = TypeVar("S", bound=StreamConfig)

FOLLOWING_LINGER = timedelta(milliseconds=5)
"""How long a batch waits while a stream is followed: rows are to be seen soon."""


class StreamSource(Source[S]):
    """A source that may be followed: read on and on until its caller stops it.

    ``read`` of a stream must notice within a second that its caller closed it, and in an idle
    stream awaits rather than blocks, or blocks for no longer than that.
    """

    def following(self) -> Self:
        """Return this source as one that never ends, and whose rows come as soon as they are."""
        never = Until(caught_up=False)
        linger = min(self.config.linger, FOLLOWING_LINGER)
        return self.narrowed(until=never.model_dump(), linger=linger)
