"""One agreed column: what is declared and known about it, and how its values are fitted."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from airflow_provider_spotify.core.config.rules import ColumnPlan
from airflow_provider_spotify.core.transforms.arrow_types import (
    BIGINT,
    DATE,
    DOUBLE,
    MAX_EXACT,
    STRING,
    TIMESTAMP,
    arrow_type,
    canonical,
    is_text,
    join,
    type_name,
)
from airflow_provider_spotify.core.transforms.casting import fit
from airflow_provider_spotify.core.transforms.inference import Guess, date_format, infer
from airflow_provider_spotify.core.transforms.parsing import Fit, without_empty

FORMAT = b"format"
"""Field metadata: the strptime format by which the column's dates arrive as text."""
WIDE = b"wide"
"""Field metadata: the column holds integers that a double cannot."""
LOGICAL = b"type"
"""Field metadata: ``json`` where the text is JSON."""
_CLOCK = ("%H", "%I", "%T", "%R", "%M", "%s")


@dataclass
class Column:
    """One column of a contract. ``type`` is None until a value shows what it is.

    :param declared: the type is agreed in the plan: it neither widens nor follows the data
    :param found: the format that a column declared to be dates was found to have beside ISO 8601
    :param personal: values are never quoted
    """

    name: str
    type: pa.DataType | None = None
    declared: bool = False
    required: bool = False
    personal: bool = False
    format: str | None = None
    found: str | None = None
    wide: bool = False
    json: bool = False

    @classmethod
    def of(cls, name: str, *, plan: ColumnPlan | None, known: pa.Field | None) -> Column:
        """Combine what is declared (it wins) with what was committed earlier."""
        column = cls(name)
        if known is not None:
            notes = known.metadata or {}
            column.type = canonical(known.type)
            column.format = notes[FORMAT].decode() if FORMAT in notes else None
            column.wide = WIDE in notes
            column.json = notes.get(LOGICAL) == b"json"
        if plan is not None:
            column._declare(plan)
        return column

    def _declare(self, plan: ColumnPlan) -> None:
        self.required, self.personal = plan.required, plan.pii is not None
        declared = plan.type
        if plan.format is not None:
            self.format = plan.format
            timed = any(mark in plan.format for mark in _CLOCK)
            declared = declared or ("timestamp" if timed else "date")
        if declared is not None:
            self.type, self.declared = arrow_type(declared), True
            if plan.format is None:
                self.found, self.format = self.format, None
            self.json = declared == "json"

    @property
    def field(self) -> pa.Field:
        """The column as a field of the contract's schema; ``type`` must be known."""
        notes: dict[bytes, bytes] = {}
        format = self.format or self.found
        if format is not None and self.type in (DATE, TIMESTAMP, STRING):
            notes[FORMAT] = format.encode()
        if self.wide:
            notes[WIDE] = b"true"
        if self.json:
            notes[LOGICAL] = b"json"
        return pa.field(self.name, self.type, metadata=notes or None)

    @property
    def kind(self) -> str:
        """The type's name in messages."""
        return "json" if self.json else type_name(self.type)

    def settle(self, array: pa.Array, *, textual: bool) -> bool:
        """Take the type from the data; False while the data does not show one."""
        if textual and is_text(array.type):
            guess = infer(without_empty(array.cast(STRING)))
            if guess is None:
                return False
            self.type, self.format = guess.type, guess.format
            return True
        if array.null_count == len(array):
            return False
        self.type = canonical(array.type)
        self.json = array.type == pa.json_()
        return self.type is not None

    def fit(self, array: pa.Array, *, textual: bool) -> Fit:
        """Bring values into the column's type."""
        if self.type == STRING and is_text(array.type) and not self.json:
            text = array if array.type == STRING else array.cast(STRING)
            text = without_empty(text) if textual else text
            return Fit(self._as_before(text) if self.format and not self.declared else text, None)
        if self.declared and self.type in (DATE, TIMESTAMP) and self.format is None and textual:
            return self._fit_dates(array)
        fitted = fit(array, self.type, format=self.format, agreed=self.declared, json=self.json)
        self.note_width(fitted.values)
        return fitted

    def _fit_dates(self, array: pa.Array) -> Fit:
        """Fit dates declared without a format: ISO 8601, or a format that the values show."""
        fitted = fit(array, self.type, agreed=True)
        if fitted.bad is None or not is_text(array.type):
            return fitted
        rest = pc.if_else(fitted.bad, array.cast(STRING), pa.scalar(None, STRING))
        self.found = self.found or date_format(rest.drop_null())
        if self.found is None:
            return fitted
        more = fit(rest, self.type, format=self.found, agreed=True)
        return Fit(pc.coalesce(fitted.values, more.values), more.bad)

    def _as_before(self, text: pa.StringArray) -> pa.StringArray:
        """Write dates as those before were written when the column became text: ISO 8601."""
        dates = fit(text, DATE, format=self.format).values
        return text if dates.null_count == len(dates) else pc.coalesce(dates.cast(STRING), text)

    def note_width(self, values: pa.Array) -> None:
        """Remember that an integer came by which a double cannot hold."""
        if self.type == BIGINT and not self.wide and len(values):
            ends = pc.min_max(values).as_py()
            self.wide = max(abs(ends["min"] or 0), abs(ends["max"] or 0)) > MAX_EXACT

    def widen(self, array: pa.Array, fitted: Fit, *, textual: bool) -> Fit:
        """Take the narrowest type that also holds the values that did not fit."""
        bad = array.filter(fitted.bad)
        seen = Guess(STRING)
        if is_text(array.type):
            seen = infer(without_empty(bad.cast(STRING))) or seen if textual else seen
        else:
            seen = Guess(canonical(array.type) or STRING)
        wider = STRING if seen.format != self.format else join(self.type, seen.type)
        if self.wide and wider == DOUBLE:
            wider = STRING
        for kind in (wider, STRING):
            if kind == self.type:
                continue
            self._become(kind)
            again = self.fit(array, textual=textual)
            if again.bad is None:
                return again
        return self.fit(array, textual=textual)

    def _become(self, kind: pa.DataType) -> None:
        """Change the type; dates that become text remember their format (see ``_as_before``)."""
        if kind == STRING and self.type != DATE:
            self.format = None
        self.type = kind
