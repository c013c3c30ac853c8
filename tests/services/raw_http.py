"""HTTP servers on bare sockets, in threads: what they send, and when they close, is told them."""

from __future__ import annotations

import itertools
import socket
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from types import TracebackType
from typing import Self

_JSON = "Content-Type: application/json"
Script = Callable[[dict[str, str]], Iterable[bytes]]
"""Gets the headers of a request (names in lower case); gives what is sent before the close."""


class RawHttp:
    """Answers each connection with what ``script`` gives, and closes it after that.

    :param scripts: one for each connection; the last one answers all further ones
    :param at_once: answer each connection in a thread of its own, not one after the other
    """

    def __init__(self, *scripts: Script, at_once: bool = False) -> None:
        self.scripts = list(scripts)
        self._at_once = at_once
        self.seen: list[dict[str, str]] = []
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(5)

    def _serve(self) -> None:
        while True:
            try:
                link, _ = self._listener.accept()
            except OSError:
                return
            if self._at_once:
                threading.Thread(target=self._answer, args=(link,), daemon=True).start()
            else:
                self._answer(link)

    def _answer(self, link: socket.socket) -> None:
        with link, suppress(OSError):  # the client may leave: that is its right
            headers, _ = _request(link)
            script = self.scripts[min(len(self.seen), len(self.scripts) - 1)]
            self.seen.append(headers)
            for data in script(headers):
                link.sendall(data)
            link.shutdown(socket.SHUT_WR)


def _request(link: socket.socket) -> tuple[dict[str, str], bytes]:
    """Return a request's headers, and what came of its body with them."""
    received = b""
    while b"\r\n\r\n" not in received:
        data = link.recv(65536)
        if not data:
            raise OSError("no request")
        received += data
    start, _, body = received.partition(b"\r\n\r\n")
    lines = start.decode().split("\r\n")
    pairs = (line.partition(":") for line in lines[1:])
    return {"": lines[0], **{name.lower(): value.strip() for name, _, value in pairs}}, body


def head(*headers: str, status: str = "200 OK") -> bytes:
    """Return the head of an answer."""
    return "\r\n".join((f"HTTP/1.1 {status}", *headers, "", "")).encode()


def whole(body: bytes, *headers: str, status: str = "200 OK") -> Script:
    """Return a script that sends a body and its length."""
    return lambda _: (head(f"Content-Length: {len(body)}", *headers, status=status), body)


def cut(body: bytes, at: int, *headers: str, status: str = "200 OK") -> Script:
    """Return a script that announces a body and closes after its first bytes."""
    return lambda _: (head(f"Content-Length: {len(body)}", *headers, status=status), body[:at])


class KeptHttp:
    """Answers JSON on connections that are kept, and drops some at a request instead.

    :param drop: gets a request's number on its connection, from 1; True: it is read and counted,
        and the connection closes without an answer
    :param answer: gets the first line of a request; gives the body
    """

    def __init__(
        self, drop: Callable[[int], bool], *, answer: Callable[[str], bytes] = lambda _: b"{}"
    ) -> None:
        self._drop = drop
        self._answer = answer
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.requests = 0

    def __enter__(self) -> Self:
        threading.Thread(target=self._serve, daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _serve(self) -> None:
        while True:
            try:
                link, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._keep, args=(link,), daemon=True).start()

    def _keep(self, link: socket.socket) -> None:
        with link, suppress(OSError):
            for number in itertools.count(1):
                headers, body = _request(link)
                if missing := int(headers.get("content-length", 0)) - len(body):
                    link.recv(missing, socket.MSG_WAITALL)
                with self._lock:
                    self.requests += 1
                if self._drop(number):
                    return
                for data in whole(self._answer(headers[""]), _JSON)(headers):
                    link.sendall(data)
