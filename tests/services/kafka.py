"""A real Apache Kafka 4 for tests: a local process, or the broker that the environment names."""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import KafkaException, Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic
from pydantic import SecretStr

from airflow_provider_spotify.core.model import Credentials
from tests.services.maven import jars
from tests.services.process import free_port, listening, missing, running

URL = "SPOTIFY_IMPORTS_TEST_KAFKA_URL"
"""``kafka://host:port`` of a broker without authentication."""
SASL_URL = "SPOTIFY_IMPORTS_TEST_KAFKA_SASL_URL"
"""``kafka://user:password@host:port`` of its listener for SASL/PLAIN without TLS."""
USER, PASSWORD = "importer", "importer-s3cret-of-tests"
EVENT_HUBS = (
    "Endpoint=sb://tests.servicebus.windows.net/;SharedAccessKeyName=tests;"
    "SharedAccessKey=c2VjcmV0LW9mLXRlc3Rz"
)
"""The password of ``$ConnectionString``, the user that Event Hubs has everybody be."""

_JARS = ("org.apache.kafka:kafka_2.13:4.1.2", "org.slf4j:slf4j-simple:1.7.36")
_SETTINGS = """
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=PLAINTEXT://127.0.0.1:{port},SASL_PLAINTEXT://127.0.0.1:{sasl},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{port},SASL_PLAINTEXT://127.0.0.1:{sasl}
controller.listener.names=CONTROLLER
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SASL_PLAINTEXT:SASL_PLAINTEXT
inter.broker.listener.name=PLAINTEXT
sasl.enabled.mechanisms=PLAIN
listener.name.sasl_plaintext.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.\
PlainLoginModule required user_{user}="{password}" user_$ConnectionString="{event_hubs}";
log.dirs={folder}/data
broker.session.timeout.ms=2000
broker.heartbeat.interval.ms=500
log.retention.ms=-1
log.retention.check.interval.ms=500
log.cleaner.backoff.ms=500
log.initial.task.delay.ms=500
auto.create.topics.enable=false
group.initial.rebalance.delay.ms=0
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
"""


class Broker:
    """One broker with a folder of its own; it may be killed and run again.

    :param folder: where its log and settings are
    """

    def __init__(self, folder: Path) -> None:
        self.port, self.sasl_port, controller = free_port(), free_port(), free_port()
        self._folder = folder
        java = shutil.which("java")
        if java is None:
            missing(f"Kafka needs Java 17 (apt install openjdk-17-jre-headless), or {URL} set")
        jvm = ("-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
        self._java = [java, *jvm, "-cp", f"{jars('kafka', _JARS)}/*"]
        self._settings = folder / "server.properties"
        words = {"user": USER, "password": PASSWORD, "event_hubs": EVENT_HUBS, "folder": folder}
        ports = {"port": self.port, "sasl": self.sasl_port, "controller": controller}
        self._settings.write_text(_SETTINGS.format(**words, **ports))
        self._format()

    def _format(self) -> None:
        words = ["kafka.tools.StorageTool", "format", "-t", "MkU3OEVBNTcwNTJENDM2Qk"]
        command = [*self._java, *words, "-c", str(self._settings)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            missing(f"Kafka's storage cannot be formatted: {(done.stdout + done.stderr)[-1000:]}")

    @contextmanager
    def run(self) -> Iterator[subprocess.Popen[bytes]]:
        """Yield its process once it answers."""
        command = [*self._java, "kafka.Kafka", str(self._settings)]
        words: dict[str, Any] = {"folder": self._folder, "healthy": self._answers, "seconds": 180}
        with running(command, name="kafka", **words) as process:
            yield process

    @property
    def credentials(self) -> Credentials:
        """How to reach it without authentication."""
        return Credentials(extra={"bootstrap.servers": f"127.0.0.1:{self.port}"})

    @property
    def sasl(self) -> Credentials:
        """How to reach it with a user and a password."""
        return sasl_credentials(f"127.0.0.1:{self.sasl_port}", USER, PASSWORD)

    def _answers(self) -> bool:
        if not listening(self.port):
            return False
        try:
            return bool(admin(self.credentials).list_topics(timeout=5).brokers)
        except KafkaException:
            return False


def sasl_credentials(servers: str, user: str, password: str) -> Credentials:
    """Return credentials for a listener for SASL/PLAIN without TLS."""
    extra = {
        "bootstrap.servers": servers,
        "security.protocol": "SASL_PLAINTEXT",
        "sasl.mechanism": "PLAIN",
    }
    return Credentials(login=user, password=SecretStr(password), extra=extra)


@pytest.fixture(scope="session")
def kafka_broker() -> Iterator[Broker]:
    """Give the broker of this test session as a process of ours."""
    with tempfile.TemporaryDirectory(prefix="kafka-") as folder:
        broker = Broker(Path(folder))
        with broker.run():
            yield broker


@pytest.fixture(scope="session")
def kafka(request: pytest.FixtureRequest) -> Credentials:
    """Give a Kafka of this test session; skip with the reason where there is none."""
    if given := os.environ.get(URL):
        found = Credentials.from_uri(given)
        return Credentials(extra={"bootstrap.servers": f"{found.host}:{found.port}"})
    broker: Broker = request.getfixturevalue("kafka_broker")
    return broker.credentials


@pytest.fixture(scope="session")
def kafka_sasl(request: pytest.FixtureRequest) -> Credentials:
    """Give its listener that asks for a user and a password."""
    if given := os.environ.get(SASL_URL):
        found = Credentials.from_uri(given)
        user, password = found.login or USER, found.secret() or PASSWORD
        return sasl_credentials(f"{found.host}:{found.port}", user, password)
    if os.environ.get(URL):
        missing(f"{URL} is set, {SASL_URL} is not")
    broker: Broker = request.getfixturevalue("kafka_broker")
    return broker.sasl


def admin(credentials: Credentials) -> AdminClient:
    """Return a client that makes topics."""
    quiet = logging.getLogger("tests.kafka")
    return AdminClient(dict(credentials.extra), logger=quiet)


def make_topic(
    credentials: Credentials,
    *,
    partitions: int = 1,
    name: str | None = None,
    config: Mapping[str, str] | None = None,
) -> str:
    """Create a topic, under a name of its own unless one is given; return it once it is there."""
    name = name or f"t{uuid.uuid4().hex[:12]}"
    client = admin(credentials)
    new = NewTopic(name, partitions, 1, config=dict(config or {}))
    client.create_topics([new])[name].result(60)
    await_topic(credentials, name, partitions=partitions)
    return name


def await_topic(credentials: Credentials, name: str, *, partitions: int) -> None:
    """Wait until a topic has so many partitions, each with a leader."""
    client, deadline = admin(credentials), time.monotonic() + 60
    while time.monotonic() < deadline:
        found = client.list_topics(name, timeout=10).topics[name]
        leaders = [each.leader for each in found.partitions.values()]
        if found.error is None and len(leaders) == partitions and -1 not in leaders:
            return
        time.sleep(0.02)
    raise TimeoutError(f"topic {name} is not there")


def produce(
    credentials: Credentials, topic: str, values: Sequence[bytes | None], **words: Any
) -> None:
    """Write messages to a topic, in order within a partition.

    :param words: further arguments of ``Producer.produce``; ``partition`` may be a list, by value
    """
    settings = {**credentials.extra, "linger.ms": 5, "queue.buffering.max.messages": 2_000_000}
    producer = Producer(settings, logger=logging.getLogger("tests.kafka"))
    partitions = words.pop("partition", None)
    for number, value in enumerate(values):
        if partitions is not None:
            words["partition"] = (
                partitions if isinstance(partitions, int) else partitions[number % len(partitions)]
            )
        producer.produce(topic, value, **words)
    if producer.flush(60):
        raise TimeoutError(f"messages to {topic} were not taken")
