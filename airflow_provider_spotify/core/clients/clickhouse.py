"""ClickHouse: connecting from Credentials, spelling names and values, and its errors as ours."""

from __future__ import annotations

import re
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
from airflow_provider_spotify.core.model import Credentials

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

HTTP_PORT, HTTPS_PORT = 8123, 8443
_CONNECT_TIMEOUT, _ANSWER_TIMEOUT = 10, 300
READING_SETTINGS = frozenset(
    {
        *("max_threads", "max_memory_usage", "max_execution_time", "max_rows_to_read"),
        *(
            "max_bytes_to_read",
            "max_bytes_before_external_sort",
            "max_bytes_ratio_before_external_sort",
        ),
        *("max_bytes_before_external_group_by", "max_bytes_ratio_before_external_group_by"),
        *("max_network_bandwidth", "max_read_buffer_size", "max_streams_to_max_threads_ratio"),
        *("optimize_read_in_order", "do_not_merge_across_partitions_select_final"),
        *("join_algorithm", "join_use_nulls", "priority", "use_query_cache", "log_comment"),
        *("select_sequential_consistency", "max_replica_delay_for_distributed_queries"),
        *("fallback_to_stale_replicas_for_distributed_queries", "skip_unavailable_shards"),
        *("prefer_localhost_replica", "load_balancing", "distributed_product_mode", "workload"),
    }
)
"""What a read may set; what decides how values are written is not among it."""
_TRUE = ("true", "1", "yes", "on")


def identifier(*names: str) -> str:
    """Return names that stand for exactly these, joined by dots."""
    return ".".join("`" + name.replace("\\", "\\\\").replace("`", "\\`") + "`" for name in names)


def literal(value: str | int) -> str:
    """Return a value as SQL."""
    if isinstance(value, int):
        return str(value)
    escaped = value.replace("\\", "\\\\").replace("'", "\\'").replace("\0", "\\0")
    return f"'{escaped}'"


def server(credentials: Credentials) -> str:
    """Return ``host:port``, as lineage and messages name a server."""
    port = credentials.port or (HTTPS_PORT if _secure(credentials) else HTTP_PORT)
    return f"{credentials.host or 'localhost'}:{port}"


def database(credentials: Credentials) -> str:
    """Return the database of a connection: of ``extra``, else its own, else ``default``."""
    return str(credentials.extra.get("database") or credentials.database or "default")


def _flag(extra: Mapping[str, Any], name: str, default: bool) -> bool:
    value = extra.get(name)
    if value is None or value == "":
        return default
    return value if isinstance(value, bool) else str(value).lower() in _TRUE


def _secure(credentials: Credentials) -> bool:
    return _flag(credentials.extra, "secure", credentials.port == HTTPS_PORT)


@contextmanager
def connect(
    credentials: Credentials, *, use: str | None = None, compress: str | None = None
) -> Iterator[Client]:
    """Yield a client with connections of its own, which end with it.

    It may be used by several threads: no server-side session ties its queries together.

    :param use: the database of its queries: the connection's by default, none if it is empty
    :param compress: how bodies are compressed: ``lz4``, ``zstd``, ``gzip`` or not at all
    :raises ImporterError: the one that says what to do next; never with the password in it
    """
    try:
        import clickhouse_connect
        from clickhouse_connect.driver.httputil import get_pool_manager
    except ImportError as error:
        raise MissingDependency("clickhouse-connect", extra="database") from error
    extra, secure = credentials.extra, _secure(credentials)
    host, _, port = server(credentials).rpartition(":")
    tls: dict[str, Any] = {
        k: str(extra[k]) for k in ("ca_cert", "client_cert", "client_cert_key") if extra.get(k)
    }
    with clickhouse_errors(credentials):
        pool = get_pool_manager(verify=_flag(extra, "verify", True), **(tls if secure else {}))
        try:
            client = clickhouse_connect.get_client(
                host=host,
                port=int(port),
                username=credentials.login or "default",
                password=credentials.secret() or "",
                database=(database(credentials) if use is None else use) or None,
                interface="https" if secure else "http",
                compress=compress or False,
                connect_timeout=int(extra.get("connect_timeout") or _CONNECT_TIMEOUT),
                send_receive_timeout=int(extra.get("send_receive_timeout") or _ANSWER_TIMEOUT),
                client_name="spotify-imports",
                pool_mgr=pool,
                server_host_name=extra.get("server_host_name") or None,
                autogenerate_session_id=False,
                show_clickhouse_errors="scrub",
                **(tls if secure else {}),
            )
        except BaseException:
            pool.clear()
            raise
    try:
        yield client
    finally:
        client.close()
        pool.clear()


@contextmanager
def clickhouse_errors(credentials: Credentials) -> Iterator[None]:
    """Turn the driver's errors into ours, by ClickHouse's error codes.

    https://github.com/ClickHouse/ClickHouse/blob/master/src/Common/ErrorCodes.cpp

    :raises ImporterError: the one that says what to do next
    """
    from clickhouse_connect.driver.exceptions import ClickHouseError
    from urllib3.exceptions import HTTPError

    try:
        yield
    except ClickHouseError as error:
        raise translated(str(error), credentials, code=getattr(error, "code", None)) from error
    except HTTPError as error:
        raise TransientError(
            f"ClickHouse at {server(credentials)}: the connection broke: {type(error).__name__}"
        ) from error


_AUTHENTICATION = (192, 193, 194, 516)
_FORBIDDEN = (164, 291, 497)
_TRANSIENT = (
    *(3, 159, 160, 201, 202, 203, 209, 210, 225, 236, 241, 242, 243, 252, 254, 279, 285, 286),
    *(319, 394, 425, 439, 473, 517, 519, 533, 571, 643, 668, 692, 733, 745, 746, 999),
)
_DATA = (6, 26, 27, 32, 33, 38, 41, 53, 69, 70, 72, 117, 131, 321, 349, 395, 407, 691)
_KINDS: Mapping[int, type[ImporterError]] = {
    **dict.fromkeys(_AUTHENTICATION, AuthenticationError),
    **dict.fromkeys(_FORBIDDEN, ForbiddenError),
    **dict.fromkeys(_TRANSIENT, TransientError),
    **dict.fromkeys(_DATA, DataError),
}
UNKNOWN_TABLE, UNKNOWN_DATABASE, UNKNOWN_COLUMN = (60,), (81,), (16, 47)
_CODE = re.compile(r"Code: (\d+)")
_WRAPPED = re.compile(r"^.*?server response: |\(for url [^)]*\)$", re.DOTALL)


class ClickHouseRefusal(ConfigurationError):
    """A query that the server does not understand; ``code`` is ClickHouse's."""

    def __init__(self, message: str, *, code: int | None) -> None:
        super().__init__(message)
        self.code = code


def translated(said: str, credentials: Credentials, *, code: int | None = None) -> ImporterError:
    """Return our error for what a server said; without a code, it never answered."""
    if code is None and (found := _CODE.search(said)):
        code = int(found[1])
    text = _WRAPPED.sub("", said).strip()
    message = f"ClickHouse at {server(credentials)}: {text}"
    if code is None:
        return TransientError(message)
    if code == 164:
        message += "; this login, or this query, is read-only"
    kind = _KINDS.get(code)
    return kind(message) if kind else ClickHouseRefusal(message, code=code)
