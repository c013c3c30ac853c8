"""Waits on a port of 127.0.0.1 for the answer of a consent page (RFC 8252, 7.3)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from queue import Empty, SimpleQueue
from threading import Thread
from urllib.parse import urlsplit

from airflow_provider_spotify.core.clients.oauth.consent import Consent, StateMismatch
from airflow_provider_spotify.core.errors import (
    AuthenticationError,
    ConfigurationError,
    TransientError,
)

HOST = "127.0.0.1"
PATH = "/callback"
_RECEIVED = "The answer has arrived. The command line says the rest; you may close this page."
_REFUSED = "The application was not authorised. The command line says why."
_STRANGER = "This answer was not asked for. Start again from the command line."


class Listener(ThreadingHTTPServer):
    """A server for one answer; a browser's idle connections do not hold it up."""

    daemon_threads = True
    consent: Consent | None = None

    def __init__(self, port: int) -> None:
        super().__init__((HOST, port), _Handler)
        self.outcomes: SimpleQueue[str | AuthenticationError] = SimpleQueue()

    def wait(self, consent: Consent, *, seconds: float) -> str:
        """Return the code of the answer.

        An answer with another state is refused, and the right one still waited for.

        :raises AuthenticationError: if the user or the system refused
        :raises TransientError: if none comes in time
        """
        self.consent = consent
        serving = Thread(target=self.serve_forever, args=(0.1,), daemon=True)
        serving.start()
        try:
            outcome = self.outcomes.get(timeout=seconds)
        except Empty:
            raise TransientError(f"nobody answered within {seconds:g} s; start again") from None
        finally:
            self.shutdown()
            serving.join()
        if isinstance(outcome, AuthenticationError):
            raise outcome
        return outcome


class _Handler(BaseHTTPRequestHandler):
    server: Listener
    timeout = 5
    server_version = "spotify-imports"

    def do_GET(self) -> None:
        """Take the answer, if it is one."""
        consent = self.server.consent
        if consent is None or urlsplit(self.path).path != PATH:
            self._say(404, "There is nothing here.")
            return
        try:
            code = consent.code(self.path)
        except StateMismatch:
            self._say(400, _STRANGER)
        except AuthenticationError as error:
            self._say(200, _REFUSED)
            self.server.outcomes.put(error)
        else:
            self._say(200, _RECEIVED)
            self.server.outcomes.put(code)

    def _say(self, status: int, text: str) -> None:
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("Referrer-Policy", "no-referrer")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Log nothing: the address holds the code."""


@contextmanager
def listening(port: int) -> Iterator[Listener]:
    """Listen on a port; 0: any that is free.

    :raises ConfigurationError: if the port is taken
    """
    try:
        listener = Listener(port)
    except OSError as error:
        raise ConfigurationError(
            f"port {port} of {HOST} cannot be listened on ({error.strerror}); give another with "
            "--port, and register it with the app"
        ) from None
    with listener:
        yield listener
