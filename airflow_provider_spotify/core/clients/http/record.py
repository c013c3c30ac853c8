"""Records the exchanges of an import as readable files, without secrets.

One JSON file for each exchange, numbered as they began: ``0001-GET-items.json`` holds ``request``
(method, url, headers, body) and ``response`` (status, headers, body), or the ``error`` that came
instead of its end. A body is ``json``, ``text`` or ``base64``; that of a stream or a download lies
beside it as ``file``. ``recording.json`` says which personal values were taken out.

A body that is no text (a zip, Parquet) cannot be looked into: it is kept as it came, and a warning
names its file.
"""

from __future__ import annotations

import base64
import itertools
import json
import logging
import re
from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from typing import Any, BinaryIO, ClassVar
from urllib.parse import urlsplit

from airflow_provider_spotify.core.clients.http.body import Incoming, decoder
from airflow_provider_spotify.core.clients.http.errors import NotSent
from airflow_provider_spotify.core.clients.http.messages import Request
from airflow_provider_spotify.core.clients.http.scrub import PERSONAL, Scrubber, grants
from airflow_provider_spotify.core.clients.http.tape import Begin
from airflow_provider_spotify.core.errors import ConfigurationError, TransientError

MANIFEST = "recording.json"
_LINE = 16 * 1024 * 1024
"""Bytes of the longest line of a stream that is read as JSON."""
_CODING = frozenset({"content-encoding", "content-length", "transfer-encoding", "set-cookie"})
_log = logging.getLogger(__name__)


class Recorder:
    """A tape that writes every exchange down.

    :param folder: is made; it must be empty
    :param personal: words in the names of fields whose values are replaced
    :raises ConfigurationError: if the folder holds something, or cannot be written
    """

    answers: ClassVar[bool] = False

    def __init__(self, folder: Path, *, personal: Iterable[str] = PERSONAL) -> None:
        self.folder = folder
        self.count = 0
        self._scrub = Scrubber(personal)
        self._numbers = itertools.count(1)
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            taken = next(folder.iterdir(), None)
        except OSError as error:
            raise ConfigurationError(f"cannot record to {folder} ({error.strerror})") from error
        if taken is not None:
            raise ConfigurationError(f"{folder} is not empty: record to a new folder")
        self._write(folder / MANIFEST, {"version": 1, "scrubbed": self._scrub.personal})

    async def exchange(
        self, request: Request, begin: Begin, *, secrets: tuple[str, ...]
    ) -> Incoming:
        """Send a request and listen to its answer."""
        self._scrub.learn(secrets)
        name = f"{next(self._numbers):04d}-{request.method}-{_slug(request.url)}"
        asked = {
            "method": request.method,
            "url": self._scrub.url(request.url),
            "headers": self._scrub.headers(request.headers),
            "body": self._scrub.asked(request),
        }
        try:
            answer = await begin()
        except TransientError as error:
            self._keep(name, {"request": asked, "response": _failed(error)})
            raise
        return _Heard(self, answer, asked, name=name, request=request)

    def _keep(self, name: str, exchange: dict[str, Any]) -> None:
        self._write(self.folder / f"{name}.json", exchange)
        self.count += 1

    def _write(self, path: Path, value: Any) -> None:
        text = json.dumps(value, indent=2, ensure_ascii=False)
        path.touch(mode=0o600)
        path.write_text(f"{text}\n", encoding="utf-8")


class _Heard(Incoming):
    """An answer that is written down while it is read."""

    def __init__(
        self,
        recorder: Recorder,
        answer: Incoming,
        asked: dict[str, Any],
        *,
        name: str,
        request: Request,
    ) -> None:
        super().__init__(answer.status, answer.headers, where=answer.where)
        self._recorder = recorder
        self._answer = answer
        self._asked = asked
        self._name = name
        self._granted = grants(request)
        self._heard = bytearray()
        self._error: TransientError | None = None
        self._closed = False
        streamed = request.taker is not None and 200 <= answer.status < 300
        self._beside = _Beside(recorder.folder / f"{name}.body") if streamed else None

    async def sent(self) -> AsyncIterator[bytes]:
        """Pass on what comes, and keep what it means."""
        undo = decoder(self.headers, where=self.where)
        try:
            async for data in self._answer.sent():
                for block in undo.feed(data):
                    self._hear(block)
                yield data
            undo.end(framed=self.framed)
        except TransientError as error:
            self._error = error
            raise

    def _hear(self, block: bytes) -> None:
        self._heard += block
        if self._beside is not None:
            self._beside.write(self._heard, scrub=self._recorder._scrub)

    async def close(self) -> None:
        """Write the exchange down."""
        await self._answer.close()
        if self._closed:
            return
        self._closed = True
        scrub = self._recorder._scrub
        said: dict[str, Any] = {
            "status": self.status,
            "headers": scrub.headers({k: v for k, v in self.headers.items() if k not in _CODING}),
        }
        if self._beside is not None:
            said["body"] = self._beside.end(self._heard, scrub=scrub)
        else:
            found = scrub.body(bytes(self._heard), granted=self._granted) if self._heard else None
            said["body"] = found or self._binary()
        if self._error is not None:
            said |= _failed(self._error)
        self._recorder._keep(self._name, {"request": self._asked, "response": said})

    def _binary(self) -> dict[str, str] | None:
        if not self._heard:
            return None
        _log.warning("%s.json holds a body that is no text, unscrubbed", self._name)
        return {"base64": base64.b64encode(self._heard).decode()}


class _Beside:
    """The file of a body that is not held in memory, scrubbed line by line."""

    def __init__(self, path: Path) -> None:
        self._path = path
        path.touch(mode=0o600)
        self._file: BinaryIO = path.open("wb")
        self._is_text = True

    def write(self, heard: bytearray, *, scrub: Scrubber) -> None:
        """Write the whole lines of what was heard, and leave the rest in it."""
        if not self._file.tell() and self._is_text:
            self._is_text = _readable(bytes(heard[:4096]))
        end = heard.rfind(b"\n") + 1
        if not self._is_text or (end == 0 and len(heard) > _LINE):
            end = len(heard)
        for line in bytes(heard[:end]).splitlines(keepends=True):
            self._file.write(scrub.line(line) if self._is_text else line)
        del heard[:end]

    def end(self, heard: bytearray, *, scrub: Scrubber) -> dict[str, str]:
        """Write what is left; return where the body is."""
        self._file.write(scrub.line(bytes(heard)) if self._is_text else bytes(heard))
        self._file.close()
        if not self._is_text:
            _log.warning("%s is no text: it was not scrubbed", self._path.name)
        return {"file": self._path.name}


def _readable(start: bytes) -> bool:
    """Say whether bytes are the beginning of UTF-8 text; a character may be cut at their end."""
    try:
        start.decode()
    except UnicodeDecodeError as error:
        return error.start >= len(start) - 3
    return b"\0" not in start


def _failed(error: TransientError) -> dict[str, Any]:
    kind = "NotSent" if isinstance(error, NotSent) else "TransientError"
    return {"error": {"kind": kind, "message": str(error)}}


def _slug(url: str) -> str:
    """Return the last word of a path, for the name of a file."""
    last = urlsplit(url).path.rstrip("/").rpartition("/")[2]
    return re.sub(r"[^a-z0-9]+", "-", last.lower())[:40].strip("-") or "root"
