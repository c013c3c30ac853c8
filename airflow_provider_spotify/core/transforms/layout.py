"""Decides which of a source's columns become which columns of the table."""

from __future__ import annotations

import pyarrow as pa

from airflow_provider_spotify.core.config.rules import ContractPlan
from airflow_provider_spotify.core.errors import ConfigurationError
from airflow_provider_spotify.core.model import LOAD_ID
from airflow_provider_spotify.core.transforms.naming import require_snake_case, snake_case


class Layout:
    """The names and the choice of columns that a plan asks for.

    :raises ConfigurationError: if a column is declared by a name that is not snake_case
    """

    def __init__(self, plan: ContractPlan) -> None:
        require_snake_case(plan.columns)
        named = ((name, column.source_name) for name, column in plan.columns.items())
        self._renamed = {source: name for name, source in named if source is not None}
        self._select = None if plan.select is None else {snake_case(name) for name in plan.select}
        self._exclude = {snake_case(name) for name in plan.exclude}
        self._last: tuple[pa.Schema, dict[str, int]] | None = None

    def keeps(self, name: str) -> bool:
        """Tell whether a column of the table is wanted."""
        return name not in self._exclude and (self._select is None or name in self._select)

    def resolve(self, schema: pa.Schema) -> dict[str, int]:
        """Map the table's column names to positions in a batch of this schema.

        :raises ConfigurationError: if two columns get the same name, or one gets a reserved name
        """
        if self._last is not None and self._last[0].equals(schema):
            return self._last[1]
        found: dict[str, int] = {}
        for position, source in enumerate(schema.names):
            name = self._renamed.get(source) or snake_case(source, position=position + 1)
            if not self.keeps(name):
                continue
            self._refuse(name, source, schema.names[found[name]] if name in found else None)
            found[name] = position
        self._last = (schema, found)
        return found

    @staticmethod
    def _refuse(name: str, source: str, other: str | None) -> None:
        if other is not None:
            raise ConfigurationError(
                f"the source's columns {other!r} and {source!r} both become {name!r}; give one "
                f"another name with contract.columns.<name>.source_name, or exclude {name!r}"
            )
        if name == LOAD_ID:
            raise ConfigurationError(
                f"the source's column {source!r} becomes {name!r}, which this provider keeps for "
                f"itself; give it another name with contract.columns.<name>.source_name"
            )
