"""Which files were read: the cursor of every source that reads files.

The cursor is ``{"done": [[path, identity, arrived], ...], "mark": t, "current": {...}}``. Path and
identity are digests, so it holds no names and stays short. Files are read in the order in which
they arrived, so "everything that arrived up to ``mark``" is a truth about the past: beyond the
newest ``REMEMBERED`` files only the mark is kept. ``current`` is the file that is being read and
how far (in the format's own unit). With that:

- a file that arrives late is read, whatever its modification time says;
- a file that changed after it was read is read again from its start (``on_change="read_again"``:
  an append then holds its rows twice, a merge does not) or left alone (``"ignore"``);
- a local file older than the mark whose inode is touched (chmod, restored backup) is read again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any, Literal, NamedTuple, Self

from airflow_provider_spotify.core.clients.files import File
from airflow_provider_spotify.core.errors import ConfigurationError
from airflow_provider_spotify.core.model import Cursor

REMEMBERED = 500
"""How many files a cursor names (about 25 kB of JSON) before older ones fall under the mark."""

OnChange = Literal["read_again", "ignore"]


class _Done(NamedTuple):
    identity: str
    arrived: float


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


class FileLog:
    """What was read so far; a cursor between two runs."""

    def __init__(self) -> None:
        self._done: dict[str, _Done] = {}
        self._mark = float("-inf")
        self._current: dict[str, Any] | None = None

    @classmethod
    def resume(cls, since: Cursor | None) -> Self:
        """Read a cursor that ``reading`` or ``finished`` gave.

        :raises ConfigurationError: if it is another source's
        """
        log = cls()
        if since is None:
            return log
        try:
            log._done = {path: _Done(identity, at) for path, identity, at in since["done"]}
            log._mark = float("-inf") if since["mark"] is None else float(since["mark"])
            log._current = since.get("current")
        except (KeyError, TypeError, ValueError) as error:
            message = "the saved cursor is not one of a file source; run once with full refresh"
            raise ConfigurationError(message) from error
        return log

    @classmethod
    def joined(cls, cursors: Iterable[Cursor]) -> Cursor:
        """Return the cursor of logs that went on from one cursor, each with files of its own."""
        log, newest = cls(), float("-inf")
        for cursor in cursors:
            other = cls.resume(cursor)
            log._done |= other._done
            log._mark = max(log._mark, other._mark)
            newest = max([newest, *(done.arrived for done in other._done.values())])
        log._forget(newest)
        return log._cursor()

    def pending(self, files: Iterable[File], *, on_change: OnChange) -> list[File]:
        """Return the files still to read: the one begun first, then in order of arrival."""
        new = [file for file in files if self._is_new(file, on_change)]
        return sorted(new, key=lambda f: (self.start(f) is None, f.arrived, f.path))

    def start(self, file: File) -> Any:
        """Return how far a file was read before, or None."""
        current = self._current
        if current is None or current["path"] != _digest(file.path):
            return None
        return current["at"] if current["identity"] == _digest(file.identity) else None

    def reading(self, file: File, at: Any) -> Cursor:
        """Return the cursor for "this file, up to ``at``"."""
        path, identity = _digest(file.path), _digest(file.identity)
        self._current = {"path": path, "identity": identity, "at": at}
        return self._cursor()

    def finished(self, file: File) -> Cursor:
        """Return the cursor for "this file, to its end"."""
        path = _digest(file.path)
        self._done.pop(path, None)
        self._done[path] = _Done(_digest(file.identity), file.arrived)
        self._current = None
        self._forget(file.arrived)
        return self._cursor()

    def _is_new(self, file: File, on_change: OnChange) -> bool:
        done = self._done.get(_digest(file.path))
        if done is None:
            return file.arrived > self._mark
        return on_change == "read_again" and done.identity != _digest(file.identity)

    def _forget(self, newest: float) -> None:
        """Let the oldest files fall under the mark; never one as new as what is still unread."""
        while len(self._done) > REMEMBERED:
            path = min(self._done, key=lambda p: self._done[p].arrived)
            if self._done[path].arrived >= newest:
                return
            self._mark = max(self._mark, self._done.pop(path).arrived)

    def _cursor(self) -> Cursor:
        cursor: dict[str, Any] = {
            "done": [[path, *done] for path, done in self._done.items()],
            "mark": None if self._mark == float("-inf") else self._mark,
        }
        return cursor | ({"current": self._current} if self._current else {})
