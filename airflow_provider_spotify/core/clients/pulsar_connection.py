"""How a Pulsar broker is reached: its address, topics' full names, and ways to sign in."""

from __future__ import annotations

import json
import ssl
from typing import TYPE_CHECKING, Any

from airflow_provider_spotify.core.clients.pulsar_greeting import Proof, greet
from airflow_provider_spotify.core.errors import ConfigurationError, MissingDependency
from airflow_provider_spotify.core.model import Credentials

if TYPE_CHECKING:
    import pulsar

PORTS = {"pulsar": 6650, "pulsar+ssl": 6651}
_CERTIFICATE = "tls_certificate_file_path"
_TRUE = (True, "true", "True", "1")


def address(credentials: Credentials) -> str:
    """Return the broker's address, such as ``pulsar://host:6650``; it holds no secret.

    :raises ConfigurationError: if the connection has no host
    """
    if not credentials.host:
        raise ConfigurationError("the connection has no host: give the broker's, or its proxy's")
    scheme, mark, hosts = credentials.host.rpartition("://")
    if not mark:
        scheme = "pulsar+ssl" if credentials.extra.get("tls") in _TRUE else "pulsar"
    if scheme not in PORTS:
        known = " or ".join(PORTS)
        raise ConfigurationError(f"{scheme}:// is no address of a broker: it begins with {known}")
    port = credentials.port or PORTS[scheme]
    listed = (host if ":" in host else f"{host}:{port}" for host in hosts.rstrip("/").split(","))
    return f"{scheme}://{','.join(listed)}"


def full_name(topic: str, credentials: Credentials) -> str:
    """Return a topic as ``persistent://tenant/namespace/topic``.

    A short name is of the connection's namespace, else of ``public/default``.

    :raises ConfigurationError: if it is not persistent, for such a topic cannot be read again
    """
    scheme, mark, name = topic.rpartition("://")
    if mark and scheme != "persistent":
        raise ConfigurationError(f"{topic}: only persistent topics can be read, and read again")
    if "/" not in name:
        name = f"{credentials.database or 'public/default'}/{name}"
    if name.count("/") != 2:
        raise ConfigurationError(f"{topic}: a topic is tenant/namespace/topic, or its last part")
    return f"persistent://{name}"


def connect(credentials: Credentials, *, timeout: float) -> pulsar.Client:
    """Return a client, which connects when something is asked of it.

    :param timeout: seconds that an operation may take
    :raises ConfigurationError: if the client does not take the connection's settings
    """
    try:
        import pulsar
    except ImportError as error:
        raise MissingDependency("pulsar-client", extra="streaming") from error
    from airflow_provider_spotify.core.clients.pulsar_log import logger

    seconds = max(1, round(timeout))
    try:
        return pulsar.Client(
            address(credentials),
            authentication=_authentication(credentials),
            operation_timeout_seconds=seconds,
            connection_timeout_ms=1_000 * min(10, seconds),
            logger=logger(),
            **_tls(credentials),
        )
    except (pulsar.exceptions.PulsarException, ValueError, RuntimeError):  # it may repeat a secret
        raise ConfigurationError(
            "the connection's settings are refused by Pulsar's client (they are not shown)"
        ) from None


def knock(credentials: Credentials, *, timeout: float) -> None:
    """Learn at once, and in the broker's words, whether it is there and takes the credentials.

    Where OAuth 2 or a certificate signs in, that is left to the client.

    :raises AuthenticationError, TransientError: see :func:`greet`
    """
    if credentials.extra.get("oauth2_issuer_url") or credentials.extra.get(_CERTIFICATE):
        return
    place = address(credentials)
    tls = _context(credentials) if place.startswith("pulsar+ssl") else None
    secret = credentials.secret() or credentials.secret("token")
    proof = None
    if secret and credentials.login:
        proof = Proof("basic", f"{credentials.login}:{secret}")
    elif secret:
        proof = Proof("token", secret)
    greet(place, proof=proof, tls=tls, timeout=timeout)


def _authentication(credentials: Credentials) -> pulsar.Authentication | None:
    """Choose how to sign in by what the connection holds.

    https://pulsar.apache.org/docs/next/security-overview/
    """
    import pulsar

    extra = credentials.extra
    if extra.get("oauth2_issuer_url"):
        names = ("issuer_url", "private_key", "audience", "scope")
        words = {name: extra.get(f"oauth2_{name}") for name in names}
        words |= {"client_id": credentials.login, "client_secret": credentials.secret()}
        given = {name: str(value) for name, value in words.items() if value}
        return pulsar.AuthenticationOauth2(json.dumps({"type": "client_credentials", **given}))
    if extra.get(_CERTIFICATE):
        return pulsar.AuthenticationTLS(
            str(extra[_CERTIFICATE]), str(extra.get("tls_private_key_file_path"))
        )
    if secret := credentials.secret() or credentials.secret("token"):
        if credentials.login:
            return pulsar.AuthenticationBasic(credentials.login, secret)
        return pulsar.AuthenticationToken(secret)
    return None


def _context(credentials: Credentials) -> ssl.SSLContext:
    """Return what checks the broker's certificate as the client does."""
    words = _tls(credentials)
    try:
        context = ssl.create_default_context(cafile=words["tls_trust_certs_file_path"])
    except (OSError, ssl.SSLError) as error:
        raise ConfigurationError(f"tls_trust_certs_file_path: {error}") from error
    if words["tls_allow_insecure_connection"]:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _tls(credentials: Credentials) -> dict[str, Any]:
    extra = credentials.extra
    insecure = extra.get("tls_allow_insecure_connection") in _TRUE
    return {
        "tls_trust_certs_file_path": extra.get("tls_trust_certs_file_path") or None,
        "tls_allow_insecure_connection": insecure,
        "tls_validate_hostname": not insecure,
    }
