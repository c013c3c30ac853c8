"""A real SMTP server on a free port, in a thread, that keeps what it is sent (RFC 5321)."""

from __future__ import annotations

import socketserver
import threading
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any, Self


class SmtpServer:
    """Takes mail without TLS and without a login; ``mails`` holds it.

    :param refuse: answer 550 to every sender
    """

    def __init__(self, *, refuse: bool = False) -> None:
        self.mails: list[EmailMessage] = []
        self.commands: list[str] = []
        self.refuse = refuse

    def __enter__(self) -> Self:
        keeper = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                keeper.talk(self.rfile, self.wfile)

        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)

    def talk(self, read: Any, write: Any) -> None:
        """Hold one conversation."""
        write.write(b"220 test ESMTP\r\n")
        for raw in read:
            line = raw.decode().strip()
            self.commands.append(line)
            verb = line.split(" ", 1)[0].upper()
            if verb == "DATA":
                write.write(b"354 go on\r\n")
                self._take(read)
            if verb == "MAIL" and self.refuse:
                write.write(b"550 no\r\n")
            elif verb == "QUIT":
                write.write(b"221 bye\r\n")
                return
            else:
                write.write(b"250 ok\r\n")

    def _take(self, read: Any) -> None:
        lines: list[bytes] = []
        for line in read:
            if line == b".\r\n":
                break
            lines.append(line.removeprefix(b".") if line.startswith(b"..") else line)
        mail = message_from_bytes(b"".join(lines), policy=policy.default)
        assert isinstance(mail, EmailMessage)
        self.mails.append(mail)
