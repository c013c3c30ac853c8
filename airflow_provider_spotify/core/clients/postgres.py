"""PostgreSQL: connecting from Credentials, and its errors as ours."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from airflow_provider_spotify.core.errors import (
    AuthenticationError,
    ConfigurationError,
    DataError,
    ForbiddenError,
    ImporterError,
    MissingDependency,
    TransientError,
)
from airflow_provider_spotify.core.model import Credentials

if TYPE_CHECKING:
    import psycopg

MAX_IDENTIFIER = 63
"""Bytes of a name (https://www.postgresql.org/docs/current/sql-syntax-lexical.html)."""
_PASSED_ON = frozenset(
    {
        *("sslmode", "sslrootcert", "sslcert", "sslkey", "sslcrl", "sslpassword"),
        *("sslnegotiation", "channel_binding", "target_session_attrs", "connect_timeout"),
        *("keepalives", "keepalives_idle", "keepalives_interval", "keepalives_count"),
        *("tcp_user_timeout", "gssencmode", "krbsrvname", "options", "service"),
    }
)
"""The keys of a connection's extra that libpq is told; the others mean something to Airflow."""
_CONNECT_TIMEOUT = 10


def quoted(name: str) -> str:
    """Return an identifier that stands for exactly this name."""
    return '"' + name.replace('"', '""') + '"'


def keywords(credentials: Credentials, *, application: str = "spotify-imports") -> dict[str, Any]:
    """Return the connection parameters of libpq, with the password in clear."""
    given = {k: str(v) for k, v in credentials.extra.items() if k in _PASSED_ON}
    found = {
        "host": credentials.host,
        "port": credentials.port,
        "user": credentials.login,
        "password": credentials.secret(),
        "dbname": credentials.database,
        "application_name": application,
    }
    filled = {k: v for k, v in found.items() if v is not None}
    return {"connect_timeout": _CONNECT_TIMEOUT} | given | filled


def uri(credentials: Credentials, *, application: str = "spotify-imports") -> str:
    """Return ``postgresql://…`` for a driver that takes no keywords; it holds the password."""
    words = keywords(credentials, application=application)
    user, password = words.pop("user", None), words.pop("password", None)
    host, port = words.pop("host", "localhost"), words.pop("port", 5432)
    database = words.pop("dbname", user or "")
    login = quote(user or "", safe="") + (f":{quote(password, safe='')}" if password else "")
    host = f"[{host}]" if ":" in host else quote(host, safe="")
    at = f"{login}@" if login else ""
    rest = urlencode(words, quote_via=quote)  # libpq takes a plus sign for itself, not for a space
    return f"postgresql://{at}{host}:{port}/{quote(database, safe='')}?{rest}"


def connect(
    credentials: Credentials, *, application: str = "spotify-imports"
) -> psycopg.Connection[tuple[Any, ...]]:
    """Open a connection that speaks UTC, gives JSON as text and takes ``$1`` for parameters.

    It commits each statement by itself unless a transaction is begun. The server is asked to
    notice soon when this process is gone, so that its locks do not outlive it.

    :raises ImporterError: the one that says what to do next; never with the password in it
    """
    try:
        import psycopg
        from psycopg.types.string import TextLoader
    except ImportError as error:
        raise MissingDependency("psycopg", extra="database") from error
    with postgres_errors(credentials):
        connection = psycopg.connect(
            **keywords(credentials, application=application),
            autocommit=True,
            cursor_factory=psycopg.RawCursor,
            prepare_threshold=None,
        )
    for name in ("json", "jsonb"):
        connection.adapters.register_loader(name, TextLoader)
    try:
        with postgres_errors(credentials):
            connection.execute("SET TimeZone = 'UTC'")
            _notice_soon(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def _notice_soon(connection: psycopg.Connection[tuple[Any, ...]]) -> None:
    """Set what makes a server notice a dead client; older ones and some systems know less."""
    import psycopg

    for setting in (
        "tcp_keepalives_idle = 60",
        "tcp_keepalives_interval = 10",
        "tcp_keepalives_count = 6",
        "client_connection_check_interval = '10s'",
        "idle_in_transaction_session_timeout = 0",
    ):
        try:
            connection.execute(f"SET {setting}".encode())
        except psycopg.DatabaseError:
            continue


@contextmanager
def postgres_errors(credentials: Credentials) -> Iterator[None]:
    """Turn psycopg's errors into ours, by the classes of SQLSTATE.

    https://www.postgresql.org/docs/current/errcodes-appendix.html

    :raises ImporterError: the one that says what to do next
    """
    import psycopg

    try:
        yield
    except psycopg.Error as error:
        raise _translated(error, credentials) from error


_BY_STATE: tuple[tuple[str, type[ImporterError]], ...] = (
    ("28", AuthenticationError),
    ("42501", ForbiddenError),
    ("3D000", ConfigurationError),
    ("40", TransientError),
    ("53", TransientError),
    ("55", TransientError),
    ("57", TransientError),
    ("58", TransientError),
    ("08", TransientError),
    ("22", DataError),
    ("23", DataError),
    ("54", DataError),
)
_IN_CLEAR = "the server refuses connections in clear text: set sslmode: require, or verify-full"
_CERTIFICATE = (
    "set sslrootcert to the file of the authority that signed the server's certificate, and host "
    "to a name that is in it"
)
_REFUSED: tuple[tuple[str, type[ImporterError], str], ...] = (
    (r"no pg_hba\.conf entry.*(no encryption|SSL off)", ConfigurationError, _IN_CLEAR),
    (
        "root certificate file|certificate verify failed|signature failure|not match host name",
        ConfigurationError,
        _CERTIFICATE,
    ),
    ("does not support SSL", ConfigurationError, "set sslmode: prefer, or switch TLS on there"),
    (
        "must be superuser or replication role|permission denied to start WAL sender",
        ForbiddenError,
        "ask for: ALTER ROLE … REPLICATION",
    ),
    (
        "authentication failed|no password supplied|SCRAM|password expired"
        r"|role .* does not exist|no pg_hba\.conf entry",
        AuthenticationError,
        "",
    ),
    ("permission denied for database|not permitted to log in", ForbiddenError, ""),
    (
        r"database .* does not exist|invalid .* value|invalid connection option|certificate"
        "|could not translate host name|private key",
        ConfigurationError,
        "",
    ),
)
"""What libpq says when connecting fails, for then there is no SQLSTATE; and what to do."""


def refusal(text: str) -> tuple[type[ImporterError], str] | None:
    """Say what a failed connection means, and what to do about it, if that is known."""
    for pattern, kind, advice in _REFUSED:
        if re.search(pattern, text, re.DOTALL):
            return kind, f"; {advice}" if advice else ""
    return None


def _translated(error: psycopg.Error, credentials: Credentials) -> ImporterError:
    import psycopg

    place = f"{credentials.host or 'localhost'}:{credentials.port or 5432}"
    said = f"PostgreSQL at {place}: {str(error).strip()}"
    if error.sqlstate is not None:
        for state, kind in _BY_STATE:
            if error.sqlstate.startswith(state):
                return kind(said)
        return ConfigurationError(said)
    if isinstance(error, psycopg.OperationalError):
        known, advice = refusal(str(error)) or (TransientError, "")
        return known(said + advice)
    return ConfigurationError(said)
