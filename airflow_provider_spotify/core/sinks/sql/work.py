"""The transaction that a load has open, perhaps from one checkpoint to the next."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from airflow_provider_spotify.core.errors import TransientError

if TYPE_CHECKING:
    from airflow_provider_spotify.core.sinks.sql.session import Database, Session


class Work:
    """What a load does in the database; once a transaction of it has failed, nothing more.

    :param name: what the load is called in an error
    """

    def __init__(self, database: Database, *, name: str) -> None:
        self._database = database
        self._name = name
        self._session: Session | None = None
        self.broken = False

    @contextmanager
    def session(self, *, ends: bool = True) -> Iterator[Session]:
        """Yield the open transaction, or a new one; commit it at the end if it ``ends`` here.

        :raises TransientError: if an earlier transaction of this load failed
        """
        if self.broken:
            raise TransientError(f"{self._name} failed before; run it again")
        try:
            session = self._session = self._session or self._database.begin()
            yield session
            if ends:
                session.commit()
                self._session = None
        except BaseException:
            self.undo()
            raise

    def undo(self) -> None:
        """Roll back, for good; what the transaction had taken from the load's buffer is gone."""
        self.broken = True
        if self._session is not None:
            self._session.rollback()
            self._session = None
