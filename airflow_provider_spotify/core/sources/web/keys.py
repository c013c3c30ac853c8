"""Keys that another import has put into a table of the same destination."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Any, Self

from pydantic import Field

from airflow_provider_spotify.core.errors import ConfigurationError
from airflow_provider_spotify.core.model import Frozen
from airflow_provider_spotify.core.sources.base import Wanted
from airflow_provider_spotify.core.sources.web.base import W, WebSource


class KeysFrom(Frozen):
    """Where keys are read: a column of a table that another import fills."""

    table: str = Field(description="table in this import's own destination")
    column: str = Field(description="the column that holds the keys")


class KeyedSource(WebSource[W]):
    """A source whose key ``x`` may come from the table that the config's ``x_from`` names."""

    @property
    def _place(self) -> KeysFrom | None:
        place: KeysFrom | None = getattr(self.config, f"{self.resource.key}_from", None)
        return place

    def wants(self) -> Wanted | None:
        """Name the column of the destination whose values are to be read, if any."""
        place = self._place
        return Wanted(place.table, place.column) if place else None

    def given(self, values: Iterable[Any]) -> Self:
        """Return this source with the keys of the table that it wants; there may be none."""
        source = type(self)(self.config, credentials=self.credentials, tenant=self.tenant)
        source.usage = self.usage
        texts = (str(value).strip() for value in values if value is not None)
        source.keys = list(dict.fromkeys(text for text in texts if text))
        return source

    def narrowed(self, **changes: object) -> Self:
        """Return this source with some keys of its config changed; it has its keys by itself."""
        if (key := self.resource.key) and self._place:
            changes = {key: self.keys, **changes, f"{key}_from": None}
        return super().narrowed(**changes)

    @cached_property
    def keys(self) -> Sequence[str]:
        """What is read one after the other.

        :raises ConfigurationError: if it stands in a table that nobody has read
        """
        if place := self._place:
            raise ConfigurationError(
                f"table {place.table!r} has not been read; only a pipeline can, which knows the "
                f"destination. Give {self.resource.key} instead"
            )
        return super().keys
