"""An HTTP server on a bare socket, in a thread: it sends exactly the bytes it is told to."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Self

Script = Callable[[dict[str, str]], Iterable[bytes]]
"""Gets the headers of a request (names in lower case); gives what is sent before the close."""


class RawHttp:
    """Answers each connection with what ``script`` gives, and closes it after that.

    :param scripts: one for each connection; the last one answers all further ones
    """

    def __init__(self, *scripts: Script) -> None:
        self.scripts = list(scripts)
        self.seen: list[dict[str, str]] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
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
            with link:
                self._answer(link)

    def _answer(self, link: socket.socket) -> None:
        try:
            headers = _headers(link)
            script = self.scripts[min(len(self.seen), len(self.scripts) - 1)]
            self.seen.append(headers)
            for data in script(headers):
                link.sendall(data)
            link.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # the client left: that is its right


def _headers(link: socket.socket) -> dict[str, str]:
    received = b""
    while b"\r\n\r\n" not in received:
        data = link.recv(65536)
        if not data:
            raise OSError("no request")
        received += data
    lines = received.partition(b"\r\n\r\n")[0].decode().split("\r\n")
    pairs = (line.partition(":") for line in lines[1:])
    return {"": lines[0], **{name.lower(): value.strip() for name, _, value in pairs}}


def head(*headers: str, status: str = "200 OK") -> bytes:
    """Return the head of an answer."""
    return "\r\n".join((f"HTTP/1.1 {status}", *headers, "", "")).encode()


def whole(body: bytes, *headers: str, status: str = "200 OK") -> Script:
    """Return a script that sends a body and its length."""
    return lambda _: (head(f"Content-Length: {len(body)}", *headers, status=status), body)


def cut(body: bytes, at: int, *headers: str, status: str = "200 OK") -> Script:
    """Return a script that announces a body and closes after its first bytes."""
    return lambda _: (head(f"Content-Length: {len(body)}", *headers, status=status), body[:at])
