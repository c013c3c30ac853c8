"""Which records of a listing have passed already, because its pages shift while they are read."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice

from airflow_provider_spotify.core.sources.web.boundary import Record, identity

TAIL = 100
MOST = 200_000
"""Records that are remembered, some 25 MB; older ones are forgotten first."""


class Passed:
    """Tells a record from one that came on an earlier page.

    :param paths: what tells records apart; without any, each record is new
    :param tail: of what had passed when the listing was left
    """

    def __init__(self, paths: Sequence[str], *, tail: Sequence[str] = ()) -> None:
        self._paths = paths
        self._seen: dict[int, None] = dict.fromkeys(int(key, 16) for key in tail)

    @property
    def knows(self) -> bool:
        """It can tell records apart."""
        return bool(self._paths)

    @property
    def tail(self) -> list[str]:
        """The last ones, for a cursor: so many may be pushed to the next page meanwhile."""
        keys = list(islice(reversed(self._seen), TAIL))
        return [f"{key:016x}" for key in reversed(keys)]

    def first(self, record: Record) -> bool:
        """Say whether a record comes for the first time."""
        if not self._paths:
            return True
        key = int(identity(record, self._paths), 16)
        if key in self._seen:
            return False
        self._seen[key] = None
        if len(self._seen) > MOST:
            del self._seen[next(iter(self._seen))]
        return True
