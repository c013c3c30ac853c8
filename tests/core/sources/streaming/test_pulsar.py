"""Pulsar on a real broker: the suites, and what goes wrong."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from datetime import timedelta
from typing import Any, ClassVar

import pytest
from pydantic import SecretStr, ValidationError

from airflow_provider_spotify.core.errors import (
    AuthenticationError,
    ConfigurationError,
    DataError,
    ForbiddenError,
    TransientError,
)
from airflow_provider_spotify.core.model import Credentials
from airflow_provider_spotify.core.sources.streaming.pulsar import PulsarConfig, PulsarSource
from airflow_provider_spotify.core.testing.sources import read
from airflow_provider_spotify.core.testing.streams import StreamConformance
from tests.core.sources.streaming.pulsar_topics import Make, plays, reading
from tests.services.process import free_port
from tests.services.pulsar import admin, place, produce

make = pytest.fixture(reading)


class _Plays(StreamConformance):
    expected_rows = 200
    libraries: ClassVar[list[str]] = ["pulsar", "_pulsar", "fastavro", "aiohttp"]
    partitions = 0
    batch = 0

    @pytest.fixture(autouse=True)
    def _topic(self, pulsar: Credentials, pulsar_topic: str) -> None:
        self.credentials, self.topic = pulsar, pulsar_topic
        self.count = 200
        if self.partitions:
            admin(pulsar, "PUT", f"{place(pulsar_topic)}/partitions", self.partitions)
        produce(pulsar, pulsar_topic, plays(0, 200), batch=self.batch)

    def make_source(self) -> PulsarSource:
        config = PulsarConfig(topics=[self.topic], batch_size=23, linger=timedelta(seconds=0.1))
        return PulsarSource(config, credentials=self.credentials)

    def make_empty(self) -> PulsarSource:
        config = PulsarConfig(topics=[f"{self.topic}-empty"])
        return PulsarSource(config, credentials=self.credentials)

    def make_bad_credentials(self) -> PulsarSource:
        wrong = SecretStr("wrong.but.unmistakable")
        credentials = self.credentials.model_copy(update={"password": wrong})
        return PulsarSource(PulsarConfig(topics=[self.topic]), credentials=credentials)

    def add_more(self) -> int:
        produce(self.credentials, self.topic, plays(self.count, self.count + 7), batch=self.batch)
        self.count += 7
        return 7


class TestOneByOne(_Plays):
    """Every message is an entry of its own."""


class TestBatched(_Plays):
    """Ten messages share an entry, so cursors stand in the middle of one."""

    batch = 10


class TestPartitioned(_Plays):
    """A topic of three partitions."""

    partitions = 3
    batch = 10


def test_role_without_permission_is_forbidden(pulsar: Credentials, make: Make) -> None:
    """Good credentials of a role that may not consume are told apart from bad ones."""
    guest = SecretStr(str(pulsar.extra["guest_token"]))
    credentials = pulsar.model_copy(update={"password": guest})
    with pytest.raises(ForbiddenError, match="no permission"):
        read(make(credentials=credentials))


def test_broker_refuses_in_its_own_words(pulsar: Credentials, make: Make) -> None:
    """No token and a token of another key are refused at once, not after a timeout."""
    begun = time.monotonic()
    token = str(pulsar.secret())
    for secret in (None, SecretStr(f"{token[:-5]}AAAAA")):
        credentials = pulsar.model_copy(update={"password": secret})
        with pytest.raises(AuthenticationError, match="the broker refuses the credentials"):
            read(make(credentials=credentials, operation_timeout="10m"))
    assert time.monotonic() - begun < 60


def test_broker_that_is_away_is_transient(pulsar: Credentials, make: Make) -> None:
    """Nobody listening is said at once, and may be tried again."""
    nowhere = pulsar.model_copy(update={"port": free_port()})
    with pytest.raises(TransientError, match=r"no broker answers: .*refused"):
        read(make(credentials=nowhere))
    assert asyncio.run(make(credentials=nowhere).check()).ok is False


def test_namespace_that_is_not_there_is_said(make: Make) -> None:
    """A wrong tenant or namespace is the configuration's fault."""
    with pytest.raises(ConfigurationError, match="no such topic, namespace or tenant"):
        read(make(topics=["public/nowhere/plays"]))


@pytest.mark.parametrize("topic", ["non-persistent://public/default/plays", "a/b", "a/b/c/d"])
def test_topic_that_cannot_be_read_again_is_refused(make: Make, topic: str) -> None:
    """Only a persistent topic has positions; its name has three parts, or is its last one."""
    with pytest.raises(ConfigurationError, match=topic):
        make(topics=[topic]).dataset()


def test_config_needs_topics_or_a_pattern() -> None:
    """One of both, not none."""
    both = {"topics": ["a"], "topics_pattern": "public/default/.*"}
    wrong: list[dict[str, Any]] = [{}, both, {"topics": []}]
    for words in wrong:
        with pytest.raises(ValidationError):
            PulsarConfig(**words)


def test_cursor_of_another_source_is_refused(make: Make) -> None:
    """A cursor that is not of this source is an error, not a read from the beginning."""
    for cursor in ({"offset": 1}, {"positions": {"t": "somewhere"}}, {"positions": None}):
        with pytest.raises(DataError):
            read(make(), cursor)


def test_dataset_is_named_by_broker_and_full_topic(make: Make) -> None:
    """OpenLineage knows a topic by its broker and its full name."""
    credentials = Credentials(host="pulsar+ssl://broker.example.com", database="acme/music")
    name = make(topics=["plays"], credentials=credentials).dataset()
    expected = ("pulsar+ssl://broker.example.com:6651", "persistent://acme/music/plays")
    assert tuple(name) == expected


def test_lines_of_the_client_library_come_by_our_logger(pulsar: Credentials) -> None:
    """The C++ client's warnings are log records of a fresh process, which ends in peace."""
    code = f"""
import logging, threading
said = threading.Event()
def note(record):
    if "Connection refused" in record.getMessage():
        said.set()
    return True
logging.basicConfig(level=logging.INFO, format="%(name)s|%(levelname)s|%(message)s")
logging.getLogger().handlers[0].addFilter(note)
from airflow_provider_spotify.core.clients.pulsar_connection import connect
from airflow_provider_spotify.core.model import Credentials
client = connect(Credentials(host="127.0.0.1", port={free_port()}), timeout=3)
try:
    client.get_topic_partitions("persistent://public/default/plays")
except Exception as error:
    print(type(error).__name__)
said.wait(60)
client.close()
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=200
    )
    assert done.stdout.strip() == "Timeout"
    lines = done.stderr.splitlines()
    assert any("pulsar_log|WARNING|" in line and "Connection refused" in line for line in lines)
