"""Reads an export of Amplitude: a zip of gzipped JSON lines, inflated a little at a time."""

from __future__ import annotations

import gzip
import re
import zipfile
import zlib
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from airflow_provider_spotify.core.clients.http.body import Damaged
from airflow_provider_spotify.core.errors import DataError
from airflow_provider_spotify.core.sources.web.export_text import Joined, Stream
from airflow_provider_spotify.core.sources.web.progress import Slice

_HOUR = re.compile(r"_(\d{4}-\d\d-\d\d_\d{1,2})(?:#\d+)?\.json")
_Text = IO[bytes] | gzip.GzipFile
_BROKEN = (zipfile.BadZipFile, gzip.BadGzipFile, zlib.error, EOFError)


def members(path: Path) -> list[str]:
    """Return the names of the files with events, always in the same order.

    :raises Damaged: if the file is no zip, or a part of one
    """
    try:
        with zipfile.ZipFile(path) as archive:
            names = [each.filename for each in archive.infolist() if not each.is_dir()]
    except _BROKEN:
        raise Damaged("Amplitude's export is no whole zip archive") from None
    return sorted(name for name in names if name.endswith((".json.gz", ".json")))


def of_span(path: Path, now: Slice) -> bool:
    """Say whether an archive has events.

    :raises Damaged: if it is no archive, or its files are all named by other hours
    """
    names = members(path)
    hours = [
        datetime.strptime(found[1], "%Y-%m-%d_%H").replace(tzinfo=UTC)
        for name in names
        if (found := _HOUR.search(name))
    ]
    if hours and now.start and now.end and not any(now.start <= h < now.end for h in hours):
        raise Damaged(f"Amplitude's export from {now.start:%Y-%m-%dT%H} holds other hours' events")
    return bool(names)


@contextmanager
def opened(path: Path, *, most: int) -> Iterator[Stream]:
    """Open the text of all files in an archive, one after the other.

    :param most: bytes that the text may have
    """
    names = members(path)
    with zipfile.ZipFile(path) as archive, closing(_texts(archive, names)) as texts:
        yield _Guarded(Joined(texts), most=most)


def _texts(archive: zipfile.ZipFile, names: list[str]) -> Generator[_Text, None, None]:
    for name in names:
        with archive.open(name) as member:
            if name.endswith(".gz"):
                with gzip.GzipFile(fileobj=member) as text:
                    yield text
            else:
                yield member


class _Guarded:
    """A text that says what is wrong with it in the house's words."""

    def __init__(self, text: Joined, *, most: int) -> None:
        self._text = text
        self._most = most
        self._given = 0

    def read(self, size: int, /) -> bytes:
        """Return at most ``size`` bytes; none at the end.

        :raises Damaged: if the archive is damaged here
        :raises DataError: if it unpacks to more than may be
        """
        try:
            data = self._text.read(size)
        except _BROKEN:
            raise Damaged(
                "Amplitude's export is damaged: a file in its archive ends early or has "
                "another checksum"
            ) from None
        self._given += len(data)
        if self._given > self._most:
            raise DataError(
                f"an export unpacks to more than max_export_bytes ({self._most}); raise it, or "
                "ask for fewer hours at once"
            )
        return data
