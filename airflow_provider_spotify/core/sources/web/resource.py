"""One resource of a web API, as data: its address, its pages, its order of time, its columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

from airflow_provider_spotify.core.sources.web.columns import Column
from airflow_provider_spotify.core.sources.web.pages import NoPages, Pagination
from airflow_provider_spotify.core.sources.web.times import write_time

NOTHING: Mapping[str, Any] = MappingProxyType({})


class Call(NamedTuple):
    """One request that only reads.

    :param json: the body of a POST
    """

    url: str
    params: Mapping[str, Any] = NOTHING
    method: Literal["GET", "POST"] = "GET"
    json: Any = None
    headers: Mapping[str, str] = NOTHING


class Whole(NamedTuple):
    """Nothing tells what is new: all of it is read again, once the last reading is this old.

    :param refresh: None: each key is read once and never again
    """

    refresh: timedelta | None = timedelta(days=1)


class Bounds(NamedTuple):
    """How a request names the span of time that it asks for: ``lower`` <= time < ``upper``.

    :param field: path of the time in a record
    :param lower: its parameter; None: the API takes none
    :param form: how the two are written: one of TIME_FORMATS or a strftime pattern
    """

    field: str
    lower: str | None = None
    upper: str | None = None
    form: str = "iso"

    def params(self, start: datetime | None, end: datetime | None) -> dict[str, Any]:
        """Return the parameters for a span."""
        given = ((self.lower, start), (self.upper, end))
        return {
            name: write_time(time, self.form)
            for name, time in given
            if name is not None and time is not None
        }


class Newest(NamedTuple):
    """A listing that the API gives newest first; each run asks for what is above the highest seen.

    Each row comes once, whatever is added above or deleted while pages are read or between runs,
    with these bounds, which no client could do without. A row that is added below the highest seen
    (late) is found only within a ``lookback``. Of the rows that a bound brings again,
    ``boundary.MOST_SEEN`` are remembered; of more, those of the very highest time; if even these
    are more, the next pass is an error, or with a ``lookback`` all of them come again. Rows without
    a time are remembered up to ``MOST_TIMELESS``. A row ``ordered`` wrongly, above one before it,
    may be missed by a pass that is resumed, or that is paged by counting. Of ``id``, numbers must
    rise as rows are added.

    :param by: the time of a record, and the parameters that bound it
    :param id: path of a rising number that tells new from old better than the time does
    :param since_id: the parameter that takes the highest such number, itself left out
    :param upper: send the upper bound too, so that pages do not shift while they are read
    :param lookback: how far each run goes back by default, because rows come late
    :param ordered: it is newest first; False: a listing with a lower bound in some other order,
        so that what was read before a pause tells nothing of what comes after it
    """

    by: Bounds
    id: str | None = None
    since_id: str | None = None
    upper: bool = True
    lookback: timedelta = timedelta(0)
    ordered: bool = True

    def params(self, asked: Any, end: datetime | None) -> dict[str, Any]:
        """Return the parameters for what is new.

        :param asked: the lower bound: a time, or the highest number; None: from the first
        """
        upper = end if self.upper else None
        if isinstance(asked, datetime) or asked is None or not self.since_id:
            return self.by.params(asked if isinstance(asked, datetime) else None, upper)
        return {self.since_id: asked, **self.by.params(None, upper)}


class Spans(NamedTuple):
    """A listing of one span of time; spans are read one after the other, oldest first.

    A row comes once if it is there when its span is read: in time for ``settles``, else within a
    ``lookback``. A pass that is resumed within a span knows the last ``passed.TAIL`` rows of it:
    where the span must be read from its start again, for its page token has ended or rows of it
    were deleted meanwhile, the rows before those come twice. Of a window, the units that begin in
    it are read.

    :param unit: spans begin and end at whole ones: an hour, a day
    :param step: the longest span of one request
    :param settles: what is younger than this is not complete yet and is not read
    :param lookback: how far each run goes back, because rows come late
    :param by: parameters of a span; a source that writes them itself leaves it out
    :param inclusive: ``upper`` names the last unit that is inside
    :param offset: units begin so long after those since 1970: weeks not on Thursdays
    """

    unit: timedelta = timedelta(days=1)
    step: timedelta = timedelta(days=1)
    settles: timedelta = timedelta(0)
    lookback: timedelta = timedelta(0)
    by: Bounds | None = None
    inclusive: bool = True
    offset: timedelta = timedelta(0)

    def params(self, start: datetime | None, end: datetime | None) -> dict[str, Any]:
        """Return the parameters for a span; none where the source writes them itself."""
        if self.by is None:
            return {}
        inside = self.unit if self.inclusive and end else timedelta(0)
        return self.by.params(start, end - inside if end else None)


Progress = Whole | Newest | Spans


class Resource(NamedTuple):
    """One resource.

    What no client can see: in a listing that is paged by counting (``Offsets``, ``PageNumbers``),
    rows that are deleted pull others to a page that was read already. The number of all rows
    (``total``) tells, and the listing is read again; without it, or if as many rows are added
    behind that page meanwhile, those rows are missed. Rows that are added in front come again, and
    are left out by ``identity``; without it they come twice. Tokens and addresses of next pages are
    taken to stand for a row, not for a count.

    :param path: below the API's address; ``{key}`` stands for each of the config's keys
    :param records: where the records stand in the body, such as ``data.items``; None: the body
    :param always: path of what every good answer holds, for an API that leaves ``records`` out
        where it has none; else an answer without them is an error, not an empty page
    :param key: the config field whose values are read one after the other; None: there are none
    :param identity: paths in a record that tell it from every other one; records of a listing that
        come twice because its pages shifted are then left out
    :param price: US dollars of one record
    :param doc: what a row is, in one line
    """

    path: str
    columns: Sequence[Column]
    doc: str
    records: str | None = None
    pages: Pagination = NoPages(kind="none")
    progress: Progress = Whole()
    params: Mapping[str, Any] = NOTHING
    method: Literal["GET", "POST"] = "GET"
    key: str | None = None
    identity: Sequence[str] = ()
    price: float = 0.0
    always: str | None = None
