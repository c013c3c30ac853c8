"""Where a message stands in a Pulsar topic: its id, as text that a cursor may hold."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from airflow_provider_spotify.core.clients.pulsar_wire import fields
from airflow_provider_spotify.core.errors import DataError

if TYPE_CHECKING:
    import _pulsar

_TEXT = re.compile(r"(\d+):(-?\d+):(-?\d+):(-?\d+)(?:/(\d+))?")
_BATCH_SIZE = 6
"""The field of ``MessageIdData`` that holds how many messages share the entry:
https://github.com/apache/pulsar/blob/master/pulsar-common/src/main/proto/PulsarApi.proto"""


class Position(NamedTuple):
    """The id of a message: ``ledger:entry:partition:batch_index/batch_size``.

    Messages that were sent in a batch share an entry; without one ``batch`` is -1, and ``size`` 0.
    """

    ledger: int
    entry: int
    partition: int = -1
    batch: int = -1
    size: int = 0

    @classmethod
    def parse(cls, text: str) -> Position:
        """Read what ``str`` gave.

        :raises DataError: if it is something else
        """
        if not (found := _TEXT.fullmatch(text)):
            raise DataError(f"{text!r} is not the position of a Pulsar message; reset the cursor")
        return cls(*(int(part) for part in found.groups(default="0")))

    @classmethod
    def of(cls, id: _pulsar.MessageId) -> Position:
        """Return the position of a message that was received."""
        size = dict(fields(id.serialize())).get(_BATCH_SIZE, 0)
        return cls(id.ledger_id(), id.entry_id(), id.partition(), id.batch_index(), int(size))

    def __str__(self) -> str:
        batch = f"{self.batch}/{self.size}" if self.size else str(self.batch)
        return f"{self.ledger}:{self.entry}:{self.partition}:{batch}"

    @property
    def order(self) -> tuple[int, int, int]:
        """What positions of one topic partition are sorted by."""
        return self.ledger, self.entry, self.batch

    @property
    def id(self) -> _pulsar.MessageId:
        """The id as the client library takes it."""
        import _pulsar

        return _pulsar.MessageId(self.partition, self.ledger, self.entry, self.batch)

    @property
    def whole(self) -> _pulsar.MessageId | None:
        """The last entry of which everything is at or before this position; None: unknown.

        A broker acknowledges entries: of one whose batch was not read to its end, the rest would
        be given up.
        """
        import _pulsar

        ended = self.batch < 0 or self.batch + 1 == self.size
        entry = self.entry if ended else self.entry - 1
        return None if entry < 0 else _pulsar.MessageId(self.partition, self.ledger, entry, -1)
