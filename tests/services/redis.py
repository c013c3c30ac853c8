"""A real Redis for tests: a local process, or the server that the environment names."""

from __future__ import annotations

import datetime
import ipaddress
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from pydantic import SecretStr

from airflow_provider_spotify.core.clients.redis import Link
from airflow_provider_spotify.core.model import Credentials
from tests.services.process import free_port, missing, stop

URL = "SPOTIFY_IMPORTS_TEST_REDIS_URL"
LOGIN, PASSWORD = "importer", "redis-test-password"
_DATABASES = 16


@contextmanager
def redis_server() -> Iterator[str]:
    """Yield the URL of a Redis; skip the test with the reason where there is none.

    With ``CI=true`` a missing server is a failure.
    """
    if given := os.environ.get(URL):
        yield given
        return
    with redis_process() as port:
        yield f"redis://127.0.0.1:{port}/0"


@pytest.fixture(scope="session")
def redis() -> Iterator[Credentials]:
    """Give a Redis of this test session, with a user and a password."""
    if given := os.environ.get(URL):
        yield Credentials.from_uri(given)
        return
    acl = f"{LOGIN} on >{PASSWORD} ~* &* +@all".split()
    with redis_process("--user", *acl, "--requirepass", PASSWORD) as port:
        yield Credentials(
            host="127.0.0.1", port=port, login=LOGIN, password=SecretStr(PASSWORD), database="0"
        )


@pytest.fixture
def redis_database(redis: Credentials) -> Iterator[Credentials]:
    """Give a database of this test alone: one that is empty, and is emptied afterwards."""
    for number in range(_DATABASES):
        mine = redis.model_copy(update={"database": str(number)})
        with Link(mine) as link:
            if link.do("DBSIZE") == 0:
                yield mine
                link.do("FLUSHDB")
                return
    missing(f"none of the {_DATABASES} databases at {URL} is empty")


@pytest.fixture(scope="session")
def redis_tls() -> Iterator[Credentials]:
    """Give a Redis that speaks TLS alone, with a certificate of our own."""
    with tempfile.TemporaryDirectory(prefix="redis-tls-") as folder:
        certificate, key = _certificate(Path(folder))
        port = free_port()
        options = ["--port", "0", "--tls-port", str(port), "--tls-auth-clients", "no"]
        options += ["--tls-cert-file", str(certificate), "--tls-key-file", str(key)]
        options += ["--tls-ca-cert-file", str(certificate)]
        with redis_process(*options, port=port, speaks=False):
            extra = {"ssl": True, "ssl_ca_certs": str(certificate)}
            yield Credentials(host="127.0.0.1", port=port, extra=extra)


@contextmanager
def redis_process(
    *options: str, port: int | None = None, folder: str | None = None, speaks: bool = True
) -> Iterator[int]:
    """Run a Redis of our own; yield its port.

    :param folder: where its data lies; by default it keeps none
    :param speaks: whether it answers without TLS
    """
    with tempfile.TemporaryDirectory(prefix="redis-") as scratch:
        port = port or free_port()
        where = ["--dir", folder or scratch, *([] if folder else ["--save", ""])]
        process = start(port, [*where, *options], log=Path(scratch, "log"), speaks=speaks)
        try:
            yield port
        finally:
            stop(process, patience=10)


def start(
    port: int, options: Sequence[str], *, log: Path, speaks: bool = True
) -> subprocess.Popen[bytes]:
    """Start a server and wait until it answers."""
    program = shutil.which("redis-server")
    if program is None:
        missing(f"redis-server is not installed (apt install redis-server), nor is {URL} set")
    command = [program, "--bind", "127.0.0.1", "--databases", str(_DATABASES)]
    ports = [] if "--port" in options else ["--port", str(port)]
    with log.open("ab") as output:
        process = subprocess.Popen(
            [*command, *ports, *options], stdout=output, stderr=output, start_new_session=True
        )
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        if _answers(port, speaks=speaks):
            return process
        time.sleep(0.02)
    stop(process)
    return missing(f"redis-server does not start: {log.read_text()[-300:]}")


def _answers(port: int, *, speaks: bool) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1) as link:
            if not speaks:
                return True
            link.sendall(b"PING\r\n")
            return link.recv(16).startswith((b"+PONG", b"-NOAUTH"))
    except OSError:
        return False


def _certificate(folder: Path) -> tuple[Path, Path]:
    """Make a key and a certificate for this machine that vouches for itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.oid.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    local: list[Any] = [x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(local), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    files = folder / "cert.pem", folder / "key.pem"
    files[0].write_bytes(made.public_bytes(serialization.Encoding.PEM))
    files[1].write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return files
