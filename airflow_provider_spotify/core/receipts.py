"""Tells a source what its destination holds for good, now and then and at the end."""

from __future__ import annotations

import logging
import time
from typing import Any

from airflow_provider_spotify.core.errors import ImporterError
from airflow_provider_spotify.core.model import Cursor
from airflow_provider_spotify.core.sources.base import Source

logger = logging.getLogger("airflow_provider_spotify.imports")
_EVERY = 1.0


class Receipts:
    """What a source was told last. A source that cannot hear it now hears it after the next load.

    :param every: seconds between two receipts of one load, at least
    """

    def __init__(self, source: Source[Any], *, every: float = _EVERY) -> None:
        self._source = source
        self._every = every
        self._told = time.monotonic()

    def give(self, cursor: Cursor | None, *, last: bool = False) -> None:
        """Say that everything up to a cursor is visible; ``last`` says so without delay."""
        if cursor is None or not (last or time.monotonic() - self._told >= self._every):
            return
        self._told = time.monotonic()
        try:
            self._source.committed(cursor)
        except ImporterError as error:
            logger.warning(
                "%s could not be told what is committed; the next load will: %s",
                type(self._source).__name__,
                error,
            )
