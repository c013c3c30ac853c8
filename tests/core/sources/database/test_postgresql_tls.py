"""PostgreSQL over TLS, by both of the drivers: who is trusted, and what is said otherwise."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from airflow_provider_spotify.core.clients.postgres import connect
from airflow_provider_spotify.core.clients.postgres_reader import PostgresReader
from airflow_provider_spotify.core.clients.postgres_replication import Replication
from airflow_provider_spotify.core.errors import ConfigurationError
from airflow_provider_spotify.core.model import Credentials
from airflow_provider_spotify.core.sources.database.postgresql import (
    PostgresqlConfig,
    PostgresqlSource,
)
from airflow_provider_spotify.core.testing.sources import read
from tests.services.postgres import postgres_server

Key = ec.EllipticCurvePrivateKey
ONLY_TLS = "hostssl all all 127.0.0.1/32 scram-sha-256\n"
IN_USE = "SELECT ssl, version FROM pg_stat_ssl WHERE pid = pg_backend_pid()"


def _with_adbc(credentials: Credentials) -> tuple[bool, str]:
    with PostgresReader(credentials) as reader:
        (row,) = reader.rows(IN_USE)
    return row["ssl"], row["version"]


def _with_psycopg(credentials: Credentials) -> tuple[bool, str]:
    with connect(credentials) as connection:
        row = connection.execute(IN_USE.encode()).fetchone()
    assert row is not None
    return row[0], row[1]


def _replicating(credentials: Credentials) -> tuple[bool, str]:
    with Replication(credentials):
        return True, "TLS"  # an answer that only a connection gives


WAYS = [_with_adbc, _with_psycopg, _replicating]
Way = Callable[[Credentials], tuple[bool, str]]


class Guarded:
    """A server that takes only TLS, and authorities: its own, another, and one of the same name.

    :ivar root: a file whose name must be quoted in a URI
    """

    def __init__(self, folder: Path, credentials: Credentials, root: str) -> None:
        self._credentials = credentials
        self.root, self.other = folder / "the root+1 & more.crt", folder / "other.crt"
        self.namesake = folder / "namesake.crt"
        self.root.write_text(root)
        self.other.write_text(_certificates("another authority")[0])
        self.namesake.write_text(_certificates()[0])

    def by(self, *, host: str = "localhost", **extra: str) -> Credentials:
        """Return the credentials with a host and libpq's settings, as a connection's extra."""
        return self._credentials.model_copy(update={"host": host, "extra": extra})


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    root, signed, key = _certificates()
    files = {"server.crt": signed, "server.key": key, "pg_hba.conf": ONLY_TLS}
    with postgres_server(files=files, ssl="on") as credentials:
        yield Guarded(tmp_path_factory.mktemp("tls"), credentials, root)


def _certificates(name: str = "authority of a test") -> tuple[str, str, str]:
    """Make an authority, and what it signs for ``localhost`` but for no address."""
    now = datetime.now(UTC)
    authority, server = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])

    def signed(name: x509.Name, key: Key, extension: x509.ExtensionType) -> str:
        builder = x509.CertificateBuilder().subject_name(name).issuer_name(issuer)
        builder = builder.public_key(key.public_key()).serial_number(x509.random_serial_number())
        builder = builder.not_valid_before(now - timedelta(days=1))
        builder = builder.not_valid_after(now + timedelta(days=1))
        made = builder.add_extension(extension, critical=False).sign(authority, hashes.SHA256())
        return made.public_bytes(serialization.Encoding.PEM).decode()

    root = signed(issuer, authority, x509.BasicConstraints(ca=True, path_length=None))
    names: list[x509.GeneralName] = [
        x509.DNSName("localhost"),
        x509.IPAddress(ipaddress.ip_address("192.0.2.1")),
    ]
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    own = signed(subject, server, x509.SubjectAlternativeName(names))
    key = server.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return root, own, key.decode()


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("mode", ["require", "verify-ca", "verify-full"])
def test_a_server_that_is_who_it_says_is_reached(guarded: Guarded, way: Way, mode: str) -> None:
    """With its authority's certificate, every driver connects, and by TLS."""
    encrypted, version = way(guarded.by(sslmode=mode, sslrootcert=str(guarded.root)))
    assert encrypted
    assert version.startswith("TLS")


@pytest.mark.parametrize("way", WAYS)
def test_the_wrong_authority_is_refused(guarded: Guarded, way: Way) -> None:
    """A certificate of another authority is not trusted; the message names the setting."""
    for wrong in (guarded.other, guarded.namesake):
        credentials = guarded.by(sslmode="verify-full", sslrootcert=str(wrong))
        with pytest.raises(ConfigurationError, match=r"SSL error.*set sslrootcert"):
            way(credentials)


@pytest.mark.parametrize("way", WAYS)
def test_the_wrong_host_name_is_refused(guarded: Guarded, way: Way) -> None:
    """A server whose certificate is for another name is not trusted, unless only the CA counts."""
    root = str(guarded.root)
    with pytest.raises(ConfigurationError, match=r"(?s)127\.0\.0\.1.*host to a name that is in it"):
        way(guarded.by(host="127.0.0.1", sslmode="verify-full", sslrootcert=root))
    assert way(guarded.by(host="127.0.0.1", sslmode="verify-ca", sslrootcert=root))[0]


@pytest.mark.parametrize("way", WAYS)
def test_a_missing_root_certificate_is_refused(guarded: Guarded, way: Way) -> None:
    """A file that is not there is a mistake in the configuration."""
    with pytest.raises(ConfigurationError, match="root certificate file"):
        way(guarded.by(sslmode="verify-full", sslrootcert=str(guarded.root.with_name("none"))))


@pytest.mark.parametrize("way", WAYS)
def test_clear_text_is_refused_with_what_to_do(guarded: Guarded, way: Way) -> None:
    """A server that takes only TLS refuses ``sslmode: disable``; the message says what to set."""
    with pytest.raises(ConfigurationError, match="set sslmode: require"):
        way(guarded.by(sslmode="disable"))


def test_tables_and_changes_are_read_over_tls(guarded: Guarded) -> None:
    """The whole source works so: the rows, the changes, the health report."""
    credentials = guarded.by(sslmode="verify-full", sslrootcert=str(guarded.root))
    with connect(credentials) as connection:
        connection.execute(b"CREATE TABLE t (id int PRIMARY KEY)")
        connection.execute(b"INSERT INTO t SELECT generate_series(1, 10)")
        for mode in ("table", "cdc"):
            source = PostgresqlSource(
                PostgresqlConfig.model_validate({"table": "t", "mode": mode}),
                credentials=credentials,
            )
            assert asyncio.run(source.check()).ok
            chunks = read(source)
            assert sum(chunk.batch.num_rows for chunk in chunks) == 10
        connection.execute(b"INSERT INTO t VALUES (11)")
        (chunk,) = read(source, chunks[-1].cursor)
        assert chunk.batch.column("id").to_pylist() == [11]
