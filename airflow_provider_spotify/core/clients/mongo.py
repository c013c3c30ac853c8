"""MongoDB: connecting from Credentials, its errors as ours, and the names that are near."""

from __future__ import annotations

import difflib
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from airflow_provider_spotify.core.errors import (
    AuthenticationError,
    ConfigurationError,
    DataError,
    ForbiddenError,
    ImporterError,
    MissingDependency,
    TransientError,
)
from airflow_provider_spotify.core.model import Credentials, Health

if TYPE_CHECKING:
    from pymongo import MongoClient
    from pymongo.database import Database
    from pymongo.errors import OperationFailure, PyMongoError

_OURS = frozenset({"srv", "allow_insecure"})
"""Keys of a connection's extra that Airflow's MongoHook reads itself; it hands on the others."""
_SECRETS = ("password", "tlsCertificateKeyFilePassword")
_LONGEST = 400
_CODES: Mapping[type[ImporterError], frozenset[int]] = {
    AuthenticationError: frozenset({11, 18, 8000}),
    ForbiddenError: frozenset({13}),
    DataError: frozenset({241, 280, 286, 10334, 16819, 17419, 31249}),
    TransientError: frozenset(
        {
            *(6, 7, 24, 43, 46, 50, 63, 89, 91, 112, 117, 133, 134, 150, 175, 189, 202, 205),
            *(211, 225, 234, 237, 239, 246, 251, 262, 290, 292, 317, 331, 384, 462),
            *(9001, 10107, 11600, 11601, 11602, 13388, 13435, 13436),
        }
    ),
}
"""https://github.com/mongodb/mongo/blob/master/src/mongo/base/error_codes.yml; every other code
is of a request that will be refused again."""


def server(credentials: Credentials) -> str:
    """Return ``host:port``; a list of hosts, or one found by DNS, as it is written."""
    host = credentials.host or "localhost"
    alone = "," not in host and not _srv(credentials)
    port = credentials.port or (27017 if alone and ":" not in host.rpartition("]")[2] else None)
    return f"{host}:{port}" if port else host


def connect(credentials: Credentials) -> MongoClient[dict[str, Any]]:
    """Return a client; it connects when it is first used, and must be closed.

    ``extra`` may hold what Airflow's MongoHook knows: ``srv``, ``ssl``, ``allow_insecure``, and any
    option of a connection string (https://www.mongodb.com/docs/manual/reference/connection-string-options/),
    such as ``authSource``, ``replicaSet``, ``readPreference``, ``readConcernLevel``, ``tlsCAFile``.

    :raises ConfigurationError: if an option is unknown or wrong
    """
    try:
        import pymongo
    except ImportError as error:
        raise MissingDependency("pymongo", extra="database") from error
    with mongo_errors(credentials):
        try:
            return pymongo.MongoClient(_address(credentials), **_options(credentials))
        except (ValueError, TypeError) as error:
            raise ConfigurationError(_said(credentials, error)) from None


def greeted(credentials: Credentials) -> Health:
    """Connect and log in; report, do not raise."""
    begun = time.perf_counter()
    try:
        with connect(credentials) as client, mongo_errors(credentials):
            version = client.server_info()["version"]
    except ImporterError as error:
        return Health(ok=False, message=str(error), seconds=time.perf_counter() - begun)
    message = f"MongoDB {version} at {server(credentials)}"
    return Health(ok=True, message=message, seconds=time.perf_counter() - begun)


def described(database: Database[Any], name: str) -> Mapping[str, Any]:
    """Return what the server says of a collection or view; nothing where that is not allowed.

    :raises ConfigurationError: if there is no such collection
    """
    from pymongo.errors import OperationFailure

    try:
        found = {each["name"]: each for each in database.list_collections()}
    except OperationFailure as error:
        if kind_of(error) is ForbiddenError:
            return {}  # it may be read all the same
        raise
    if name in found:
        return found[name]
    near = difflib.get_close_matches(name, found, n=3)
    meant = f"did you mean {' or '.join(repr(each) for each in near)}?" if near else ""
    other = f"there is {', '.join(sorted(found)[:20])}" if found else "it has none at all"
    raise ConfigurationError(f"{database.name} has no collection {name!r}; {meant or other}")


@contextmanager
def mongo_errors(credentials: Credentials) -> Iterator[None]:
    """Turn pymongo's errors into ours.

    :raises ImporterError: the one that says what to do next
    """
    from bson.errors import BSONError
    from pymongo.errors import PyMongoError

    try:
        yield
    except PyMongoError as error:
        raise _translated(error)(_said(credentials, error)) from None
    except BSONError as error:
        raise DataError(_said(credentials, error)) from None


def _srv(credentials: Credentials) -> bool:
    return str(credentials.extra.get("srv", "")).lower() == "true"


def _address(credentials: Credentials) -> str:
    """Write the connection string, without login and password: they go beside it."""
    scheme = "mongodb+srv" if _srv(credentials) else "mongodb"
    return f"{scheme}://{server(credentials)}/"


def _options(credentials: Credentials) -> dict[str, Any]:
    given = {k: v for k, v in credentials.extra.items() if k not in _OURS and v not in (None, "")}
    options: dict[str, Any] = {
        "appname": "spotify-imports",
        "serverSelectionTimeoutMS": 10_000,
        "connectTimeoutMS": 10_000,
    }
    if credentials.login:
        options |= {"username": credentials.login, "password": credentials.secret() or ""}
        if credentials.database:
            options["authSource"] = credentials.database
    known = {key.lower(): key for key in options}
    options |= {known.get(key.lower(), key): value for key, value in given.items()}
    secure = any(str(given.get(key, "")).lower() == "true" for key in ("ssl", "tls"))
    if secure and str(credentials.extra.get("allow_insecure", "")).lower() == "true":
        options["tlsAllowInvalidCertificates"] = True
    return options


def _said(credentials: Credentials, error: Exception) -> str:
    """Say what a driver's error says, where, in one line and without a secret."""
    text = " ".join(str(error).partition(", full error:")[0].split())
    for name in _SECRETS:
        if secret := credentials.secret(name):
            text = text.replace(secret, "***")
    return f"MongoDB at {server(credentials)}: {text[:_LONGEST]}"


def _translated(error: PyMongoError) -> type[ImporterError]:
    from pymongo import errors

    if isinstance(error, errors.OperationFailure):
        return kind_of(error)
    if isinstance(error, errors.ConnectionFailure):
        text = str(error).lower()
        wrong = "certificate" in text or "wrong version number" in text
        return ConfigurationError if wrong else TransientError
    if isinstance(error, errors.DocumentTooLarge):
        return DataError
    settings = (errors.ConfigurationError, errors.InvalidURI, errors.InvalidName)
    return ConfigurationError if isinstance(error, settings) else TransientError


def kind_of(error: OperationFailure) -> type[ImporterError]:
    """Say which of our errors a server's refusal is."""
    if error.code == 13 and "requires authentication" in str(error):
        return AuthenticationError
    for kind, codes in _CODES.items():
        if error.code in codes:
            return kind
    retry = any(map(error.has_error_label, ("RetryableWriteError", "TransientTransactionError")))
    return TransientError if retry or error.timeout else ConfigurationError
