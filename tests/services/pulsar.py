"""A real Apache Pulsar for tests: a local process, or the broker that the environment names."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import shutil
import subprocess
import tempfile
import urllib.request
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from airflow_provider_spotify.core.model import Credentials
from tests.services.maven import jars
from tests.services.process import free_port, missing, running

URL = "SPOTIFY_IMPORTS_TEST_PULSAR_URL"
"""``pulsar://:token@host:6650/tenant/namespace?admin_url=http://host:8080``; the token is of a
superuser, and ``guest_token`` beside ``admin_url`` one of a role without permissions."""

_JARS = ("org.apache.pulsar:pulsar-broker:4.0.7",)
_KEY = b"a key that only tests sign their tokens with"
_OPENED = (
    *("java.base/java.io", "java.base/java.nio", "java.base/java.time", "java.base/java.util"),
    *("java.base/java.util.zip", "java.base/jdk.internal.loader", "java.base/jdk.internal.misc"),
    *("java.base/jdk.internal.platform", "java.base/sun.net", "java.management/sun.management"),
    "jdk.management/com.sun.management.internal",
)
_SETTINGS = """
clusterName=standalone
bindAddress=127.0.0.1
advertisedAddress=127.0.0.1
allowLoopback=true
brokerServicePort={port}
webServicePort={web}
managedLedgerDefaultEnsembleSize=1
managedLedgerDefaultWriteQuorum=1
managedLedgerDefaultAckQuorum=1
managedLedgerCacheSizeMB=16
diskUsageThreshold=0.99
diskUsageWarnThreshold=0.98
brokerDeleteInactiveTopicsEnabled=false
defaultRetentionTimeInMinutes=-1
defaultRetentionSizeInMB=-1
authenticationEnabled=true
authorizationEnabled=true
authenticationProviders=org.apache.pulsar.broker.authentication.AuthenticationProviderToken
tokenSecretKey=data:;base64,{key}
superUserRoles=admin
brokerClientAuthenticationPlugin=org.apache.pulsar.client.impl.auth.AuthenticationToken
brokerClientAuthenticationParameters=token:{token}
"""


def token(role: str) -> str:
    """Sign a token (JWT, HS256) for a role, as the broker of these tests accepts it."""
    words = [json.dumps(part).encode() for part in ({"alg": "HS256"}, {"sub": role})]
    signed = ".".join(base64.urlsafe_b64encode(word).rstrip(b"=").decode() for word in words)
    digest = hmac.new(_KEY, signed.encode(), hashlib.sha256).digest()
    return f"{signed}.{base64.urlsafe_b64encode(digest).rstrip(b'=').decode()}"


class Standalone:
    """One broker with its bookie in a folder of its own; it may be killed and run again."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.port, self.web, self._bookie = free_port(), free_port(), free_port()
        java = shutil.which("java")
        if java is None:
            missing(f"Pulsar needs Java 17 (apt install openjdk-17-jre-headless), or {URL} set")
        key = base64.b64encode(_KEY).decode()
        words = {"port": self.port, "web": self.web, "key": key, "token": token("admin")}
        settings = folder / "standalone.conf"
        settings.write_text(_SETTINGS.format(**words))
        self._command = [
            *(java, "-Xmx384m", "-XX:MaxDirectMemorySize=256m", "-XX:+UseSerialGC"),
            *("-XX:TieredStopAtLevel=1", "-Dio.netty.tryReflectionSetAccessible=true"),
            *(f"--add-opens={each}=ALL-UNNAMED" for each in _OPENED),
            *("-cp", f"{jars('pulsar', _JARS)}/*", "org.apache.pulsar.PulsarStandaloneStarter"),
            *("--config", str(settings), "--no-functions-worker", "--no-stream-storage"),
            *("--metadata-dir", str(folder / "metadata"), "--num-bookies", "1"),
            *("--bookkeeper-dir", str(folder / "bookies")),
            *("--bookkeeper-port", str(self._bookie), "--advertised-address", "127.0.0.1"),
        ]

    @contextmanager
    def run(self) -> Iterator[subprocess.Popen[bytes]]:
        """Yield its process once it answers."""
        words: dict[str, Any] = {"folder": self._folder, "healthy": self._answers, "seconds": 180}
        with running(self._command, name="pulsar", **words) as process:
            yield process

    @property
    def credentials(self) -> Credentials:
        """How to reach it as a superuser."""
        extra = {"admin_url": f"http://127.0.0.1:{self.web}", "guest_token": token("guest")}
        return Credentials(
            host="127.0.0.1",
            port=self.port,
            password=SecretStr(token("admin")),
            database="public/default",
            extra=extra,
        )

    def _answers(self) -> bool:
        return admin(self.credentials, "GET", "brokers/health") == "ok"


@pytest.fixture(scope="session")
def pulsar_standalone() -> Iterator[Standalone]:
    """Give the broker of this test session as a process of ours."""
    with tempfile.TemporaryDirectory(prefix="pulsar-") as folder:
        broker = Standalone(Path(folder))
        with broker.run():
            yield broker


@pytest.fixture(scope="session")
def pulsar(request: pytest.FixtureRequest) -> Credentials:
    """Give a Pulsar of this test session; skip with the reason where there is none."""
    if given := os.environ.get(URL):
        return Credentials.from_uri(given)
    broker: Standalone = request.getfixturevalue("pulsar_standalone")
    return broker.credentials


@pytest.fixture
def pulsar_topic(pulsar: Credentials) -> str:
    """Give the name of a topic of this test alone."""
    return f"persistent://{pulsar.database}/test-{uuid.uuid4().hex[:12]}"


def admin(credentials: Credentials, method: str, path: str, body: Any = None) -> Any:
    """Ask the broker's REST API; return what it says, read as JSON where it is that."""
    request = urllib.request.Request(
        f"{credentials.extra['admin_url']}/admin/v2/{path}",
        method=method,
        data=None if body is None else json.dumps(body).encode(),
        headers={
            "Authorization": f"Bearer {credentials.secret()}",
            "Content-Type": "application/json",
        },
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        text = answer.read().decode()
    return json.loads(text) if text[:1] in ("{", "[") else text


def place(topic: str) -> str:
    """Return the path of a topic in the REST API."""
    return topic.replace("://", "/")


def produce(
    credentials: Credentials,
    topic: str,
    messages: Sequence[bytes | dict[str, Any]],
    *,
    batch: int = 0,
    schema: Any = None,
    **words: Any,
) -> None:
    """Send messages in order; a dict is the keywords of one, such as content and partition_key.

    :param batch: how many messages share an entry; none do by default
    """
    import pulsar as library

    client = library.Client(
        f"pulsar://{credentials.host}:{credentials.port}",
        authentication=library.AuthenticationToken(credentials.secret()),
        logger=library.ConsoleLogger(library.LoggerLevel.Error),
    )
    failed: list[Any] = []
    try:
        producer = client.create_producer(
            topic,
            batching_enabled=batch > 0,
            batching_max_messages=max(2, batch),
            batching_max_publish_delay_ms=60_000,  # flush comes before that
            block_if_queue_full=True,
            **({"schema": schema} if schema is not None else {}),
            **words,
        )
        for message in messages:
            given = message if isinstance(message, dict) else {"content": message}
            producer.send_async(callback=lambda result, _: failed.append(result.name), **given)
        producer.flush()
    finally:
        client.close()
    assert failed.count("Ok") == len(messages), failed
