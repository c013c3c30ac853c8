"""Links to a real Redis: TLS, a cluster, and errors by what their reader does next."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from airflow_provider_spotify.core.clients.redis import Link, database, masters
from airflow_provider_spotify.core.errors import ConfigurationError, TransientError
from airflow_provider_spotify.core.model import Credentials, Cursor
from airflow_provider_spotify.core.sources.database.redis import RedisConfig, RedisSource
from airflow_provider_spotify.core.sources.streaming.redis_streams import (
    RedisStreamsConfig,
    RedisStreamsSource,
)
from airflow_provider_spotify.core.testing.sources import read
from airflow_provider_spotify.importer_options import _credentials
from tests.services.process import free_port, stop
from tests.services.redis import redis_process, start


def test_tls_is_spoken_where_the_connection_says_so(redis_tls: Credentials) -> None:
    """The certificate is checked against the authority that extra names."""
    with Link(redis_tls) as link:
        assert link.do("SET", "a", "1")
        assert link.do("GET", "a") == b"1"


def test_a_certificate_that_nobody_vouches_for_is_refused(redis_tls: Credentials) -> None:
    """Nothing a retry would mend; ``ssl_cert_reqs: none`` takes it as it is."""
    unknown = redis_tls.model_copy(update={"extra": {"ssl": "true"}})
    with pytest.raises(ConfigurationError, match="certificate"), Link(unknown) as link:
        link.do("PING")
    trusting = redis_tls.model_copy(update={"extra": {"ssl": True, "ssl_cert_reqs": "none"}})
    with Link(trusting) as link:
        assert link.do("PING")


def test_a_url_may_ask_for_tls(redis_tls: Credentials) -> None:
    """``rediss`` is the scheme for it."""
    url = f"rediss://{redis_tls.host}:{redis_tls.port}/3"
    found = _credentials({"url": url, "extra": {"ssl_cert_reqs": "none"}}, environment=None)
    assert database(found) == 3
    with Link(found) as link:
        assert link.do("PING")


def test_a_server_that_is_loading_or_gone_may_be_tried_again(tmp_path: Path) -> None:
    """Killed under our hands, a command is an error worth a retry, and no command is repeated."""
    port = free_port()
    process = start(port, ["--save", ""], log=tmp_path / "log")
    try:
        with Link(Credentials(host="127.0.0.1", port=port)) as link:
            link.do("PING")
            process.kill()
            process.wait()
            with pytest.raises(TransientError, match=rf"127\.0\.0\.1:{port}: "):
                link.do("INCR", "n")
    finally:
        stop(process)


def test_a_replica_that_was_the_master_may_be_tried_again() -> None:
    """After a failover the old address only reads: another try may reach the new master."""
    with redis_process(
        "--replicaof", "127.0.0.1", "9", "--replica-serve-stale-data", "yes"
    ) as port:
        credentials = Credentials(host="127.0.0.1", port=port)
        with Link(credentials) as link, pytest.raises(TransientError, match="read only"):
            link.do("SET", "a", 1)


def test_replies_of_many_keys_come_in_their_order(redis_database: Credentials) -> None:
    """One command per key, in one round trip, errors among the replies."""
    with Link(redis_database) as link:
        link.pipelined([("SET", "a", 1), ("SADD", "b", 2), ("SET", "c\r\nd", "x\r\n")])
        values, kinds = link.each([b"a", b"b", b"c\r\nd"], (("GET",), ()), (("TYPE",), ()))
        assert (values[0], values[2]) == (b"1", b"x\r\n")
        assert "WRONGTYPE" in str(values[1])
        assert kinds == [b"string", b"set", b"string"]
        assert link.do("GET", "a") == b"1"


@pytest.fixture(scope="module")
def cluster() -> Iterator[Credentials]:
    """Give a Redis Cluster: two nodes, each with half of the slots."""
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as two:
        options = ("--cluster-enabled", "yes", "--cluster-node-timeout", "60000", "--save", "")
        with (
            redis_process(*options, folder=one, port=_low_port()) as first,
            redis_process(*options, folder=two, port=_low_port()) as second,
        ):
            nodes = [Credentials(host="127.0.0.1", port=port) for port in (first, second)]
            with Link(nodes[0]) as a, Link(nodes[1]) as b:
                a.do("CLUSTER", "ADDSLOTSRANGE", 0, 8191)
                b.do("CLUSTER", "ADDSLOTSRANGE", 8192, 16383)
                b.do("CONFIG", "SET", "cluster-announce-ip", "127.0.0.1")
                a.do("CLUSTER", "MEET", "127.0.0.1", second)
                _wait_until_whole([a, b])
            yield nodes[0].model_copy(update={"extra": {"cluster": True}})


def _low_port() -> int:
    """Return a free port that leaves room for the bus of the cluster, 10,000 above."""
    while (port := free_port()) > 55_000:
        pass
    return port


def _wait_until_whole(links: list[Link]) -> None:
    for _ in range(1_200):
        said = [link.do("CLUSTER", "INFO") for link in links]
        if all(b"cluster_state:ok" in each and b"known_nodes:2" in each for each in said):
            return
        time.sleep(0.1)
    pytest.fail(f"the cluster does not come up: {said}")


def test_streams_of_a_cluster_are_read_where_they_are(cluster: Credentials) -> None:
    """Each through a link to its node, with a group and without, and acknowledged there."""
    names = ["plays", "likes", "skips", "a", "b"]
    for name in names:
        with Link(cluster, key=name) as link:
            for n in range(1, 51):
                link.do("XADD", name, f"{n}-0", "n", n)
    for group in (None, "g"):
        config = RedisStreamsConfig(streams=names, group=group, batch_size=60)
        source = RedisStreamsSource(config, credentials=cluster)
        chunks = read(source)
        assert sum(chunk.batch.num_rows for chunk in chunks) == 250
        source.committed(chunks[-1].cursor)
        assert read(source, chunks[-1].cursor) == []
    with Link(cluster, key="likes") as link:
        assert link.do("XPENDING", "likes", "g")[0] == 0


def test_keys_of_a_cluster_are_read_from_all_nodes(cluster: Credentials) -> None:
    """Node after node; from any cursor the rest."""
    for node in masters(cluster):
        with Link(node) as link:
            replies = link.pipelined([("SET", f"k{n}", n) for n in range(1_000)])
            assert 300 < sum(not isinstance(reply, Exception) for reply in replies) < 700
    source = RedisSource(RedisConfig(match="k*", batch_size=70), credentials=cluster)
    chunks = read(source)
    keys = [key for chunk in chunks for key in chunk.batch["_key"].to_pylist()]
    assert sorted(keys) == sorted(f"k{n}" for n in range(1_000))
    for at in range(0, len(chunks) - 1, 3):
        since: Cursor = chunks[at].cursor
        rest = [key for chunk in read(source, since) for key in chunk.batch["_key"].to_pylist()]
        assert len(rest) == sum(chunk.batch.num_rows for chunk in chunks[at + 1 :])


def test_a_cluster_has_one_database(cluster: Credentials) -> None:
    """Another number is said to be wrong before anything is asked."""
    other = cluster.model_copy(update={"database": "1"})
    with pytest.raises(ConfigurationError, match="database 0 alone"):
        Link(other, key="a")
