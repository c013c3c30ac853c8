"""Answers the requests of an import from a recording, in place of the system."""

from __future__ import annotations

import base64
import json
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Collection, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import parse_qsl, urlsplit

import orjson

from airflow_provider_spotify.core.clients.http.body import BLOCK, Incoming
from airflow_provider_spotify.core.clients.http.errors import NotSent
from airflow_provider_spotify.core.clients.http.messages import Request, plain
from airflow_provider_spotify.core.clients.http.record import MANIFEST
from airflow_provider_spotify.core.clients.http.scrub import GONE, Scrubber, grants
from airflow_provider_spotify.core.clients.http.tape import Begin
from airflow_provider_spotify.core.errors import ConfigurationError, TransientError

_TOKEN = {"access_token": GONE, "token_type": "Bearer", "expires_in": 3600}


class NotRecorded(ConfigurationError):
    """The recording has no answer to this request."""


class Player:
    """A tape that answers each request as often as it was recorded, in that order.

    Requests are compared without their secrets, personal values and headers. A token request is
    answered even where none was recorded: its token was still good then.

    :param ignore: parameters that may have another value than in the recording, such as a time
    :raises ConfigurationError: if the folder holds no recording
    """

    answers: ClassVar[bool] = True

    def __init__(self, folder: Path, *, ignore: Collection[str] = ()) -> None:
        self.folder = folder
        self._ignore = frozenset(ignore)
        self._left: dict[str, deque[dict[str, Any]]] = defaultdict(deque)
        self._asked: list[dict[str, Any]] = []
        self._scrub = Scrubber(_read(folder / MANIFEST, folder)["scrubbed"])
        for path in sorted(folder.glob("[0-9]*.json"), key=_number):
            exchange = _read(path, folder)
            self._asked.append(exchange["request"])
            self._left[self._key(exchange["request"])].append(exchange["response"])

    async def exchange(
        self, request: Request, begin: Begin, *, secrets: tuple[str, ...]
    ) -> Incoming:
        """Return what was answered then.

        :raises NotRecorded: if nothing was
        :raises TransientError: if that failed then
        """
        self._scrub.learn(secrets)
        asked = {
            "method": request.method,
            "url": self._scrub.url(request.url),
            "body": self._scrub.asked(request),
        }
        key = self._key(asked)
        if self._left.get(key):
            said = self._left[key].popleft()
        elif grants(request):
            said = {"status": 200, "headers": {}, "body": {"json": _TOKEN}}
        else:
            raise NotRecorded(f"{request.where} {self._missing(asked, key)}")
        if "status" not in said:
            raise _failure(said["error"])
        return _Played(said, folder=self.folder, where=request.where)

    def _key(self, asked: Mapping[str, Any]) -> str:
        parts = urlsplit(asked["url"])
        pairs = [(n, v) for n, v in _pairs(asked["url"]) if n not in self._ignore]
        text = [asked["method"], f"{parts.scheme}://{parts.netloc}{parts.path}", pairs]
        return orjson.dumps([*text, asked["body"]], option=orjson.OPT_SORT_KEYS).decode()

    def _missing(self, asked: Mapping[str, Any], key: str) -> str:
        """Say what is nearest to a request that has no answer."""
        if key in self._left:
            times = sum(self._key(each) == key for each in self._asked)
            return f"was recorded {times} times in {self.folder}, and is asked for once more"
        place = (asked["method"], plain(asked["url"]))
        same = [each for each in self._asked if (each["method"], plain(each["url"])) == place]
        if same:
            return f"was recorded in {self.folder} {_difference(asked, same)}"
        paths = sorted({f"{each['method']} {plain(each['url'])}" for each in self._asked})
        near = get_close_matches(" ".join(place), paths, n=1, cutoff=0.0)
        hint = f"; nearest is {near[0]}" if near else ""
        return f"is not in the recording {self.folder} ({len(self._asked)} exchanges){hint}"


class _Played(Incoming):
    """An answer from a recording."""

    def __init__(self, said: Mapping[str, Any], *, folder: Path, where: str) -> None:
        super().__init__(said["status"], said["headers"], where=where)
        self._body: Mapping[str, Any] = said["body"] or {}
        self._error = said.get("error")
        self._folder = folder

    async def sent(self) -> AsyncIterator[bytes]:
        """Yield the body, as far as it came."""
        if "file" in self._body:
            with (self._folder / Path(self._body["file"]).name).open("rb") as file:
                while block := file.read(BLOCK):
                    yield block
        elif whole := _whole(self._body):
            yield whole
        if self._error is not None:
            raise _failure(self._error)

    async def close(self) -> None:
        """Do nothing: there is no connection."""


def _whole(body: Mapping[str, Any]) -> bytes:
    if "json" in body:
        return orjson.dumps(body["json"])
    if "base64" in body:
        return base64.b64decode(body["base64"])
    return str(body.get("text", "")).encode()


def _failure(error: Mapping[str, str]) -> TransientError:
    kind = NotSent if error["kind"] == "NotSent" else TransientError
    return kind(error["message"])


def _difference(asked: Mapping[str, Any], recorded: list[dict[str, Any]]) -> str:
    """Say in which parameters a request differs from the one that is most like it."""
    now = _pairs(asked["url"])
    then = max((_pairs(each["url"]) for each in recorded), key=lambda p: len({*p} & {*now}))
    other = [
        f"{name}={', '.join(v for n, v in then if n == name) or '(not given)'} instead of "
        f"{', '.join(v for n, v in now if n == name) or '(not given)'}"
        for name in sorted({name for name, _ in {*then} ^ {*now}})
    ]
    return f"with {'; '.join(other)}" if other else "with another body"


def _pairs(url: str) -> list[tuple[str, str]]:
    return parse_qsl(urlsplit(url).query, keep_blank_values=True)


def _number(path: Path) -> int:
    return int(path.name.partition("-")[0])


def _read(path: Path, folder: Path) -> Any:
    try:
        return json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise ConfigurationError(
            f"{folder} is no recording: {path.name} is not readable"
        ) from error
