"""Keeps tokens in files of one folder, for the workers of one machine."""

from __future__ import annotations

import asyncio
import os
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from airflow_provider_spotify.core.clients.oauth.store import next_try
from airflow_provider_spotify.core.errors import ConfigurationError


class FileStore:
    """One file a key, which its owner alone may read (0600), and beside it one to lock.

    ``flock`` is released by the system when a process dies. It does not reach over NFS reliably,
    so workers of several machines share a Redis instead.
    """

    def __init__(self, folder: str | Path) -> None:
        self._folder = Path(folder)

    async def load(self, key: str) -> bytes | None:
        """Return the value; None where there is none."""
        return await asyncio.to_thread(self._read, key)

    def _read(self, key: str) -> bytes | None:
        try:
            return (self._folder / key).read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise self._unusable(error) from None

    async def save(self, key: str, value: bytes) -> None:
        """Replace the file as a whole; it is on the disk when this returns."""
        await asyncio.to_thread(self._write, key, value)

    def _write(self, key: str, value: bytes) -> None:
        try:
            self._prepare()
            number, name = tempfile.mkstemp(dir=self._folder, prefix=f".{key}.")
            try:
                with os.fdopen(number, "wb") as file:
                    file.write(value)
                    file.flush()
                    os.fsync(file.fileno())
                Path(name).replace(self._folder / key)
            except BaseException:
                Path(name).unlink(missing_ok=True)
                raise
            self._settle()
        except OSError as error:
            raise self._unusable(error) from None

    def _settle(self) -> None:
        """Make the file's new name durable, too."""
        number = os.open(self._folder, os.O_RDONLY)
        try:
            os.fsync(number)
        finally:
            os.close(number)

    def _prepare(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)

    @asynccontextmanager
    async def lock(self, key: str) -> AsyncIterator[None]:
        """Hold the key's lock file."""
        number = self._open(key)
        try:
            since = time.monotonic()
            while not self._locked(number):
                await next_try(since)
            yield
        finally:
            os.close(number)

    def _open(self, key: str) -> int:
        try:
            self._prepare()
            return os.open(self._folder / f"{key}.lock", os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise self._unusable(error) from None

    def _locked(self, number: int) -> bool:
        import fcntl

        try:
            fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError as error:
            raise self._unusable(error) from None
        return True

    def _unusable(self, error: OSError) -> ConfigurationError:
        return ConfigurationError(
            f"the token store {self._folder} cannot be used ({error.strerror}); it needs a folder"
            " that the worker may write to"
        )
