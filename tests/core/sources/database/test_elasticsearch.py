"""Elasticsearch on a real node: the conformance suite, points in time, and what can go wrong."""

from __future__ import annotations

import asyncio
import ipaddress
import ssl
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from pydantic import SecretStr, ValidationError

from airflow_provider_spotify.core.clients.http.client import NotFound
from airflow_provider_spotify.core.errors import (
    AuthenticationError,
    ConfigurationError,
    ForbiddenError,
    TransientError,
)
from airflow_provider_spotify.core.model import Chunk, Credentials
from airflow_provider_spotify.core.sources.database.elasticsearch import (
    ElasticsearchConfig,
    ElasticsearchSource,
)
from airflow_provider_spotify.core.testing.sources import SourceConformance, read
from tests.services.elastic_guard import Guard, refusal
from tests.services.elastic_indices import PLAYS, Indices, Made, ids, play, plays, rows
from tests.services.elasticsearch import call


class TestConformance(SourceConformance):
    """An index of two shards, read by time, where several documents share each time."""

    expected_rows = 400
    libraries = ("elasticsearch", "elastic_transport", "aiohttp", "pandas")

    @pytest.fixture(autouse=True)
    def _data(self, indices: Indices) -> Iterator[None]:
        self._cluster = indices
        plays(indices, 400, number_of_shards=2)
        node = indices.credentials
        with Guard(node, login="elastic", password="s3cr3t-of-tests", api_key="a2V5") as guard:
            self._guard = guard
            yield

    def _credentials(self, password: str = "s3cr3t-of-tests") -> Credentials:
        secret = SecretStr(password)
        return Credentials(
            host="127.0.0.1", port=self._guard.port, login="elastic", password=secret
        )

    def _of(self, credentials: Credentials, name: str = "plays") -> ElasticsearchSource:
        config = ElasticsearchConfig(
            index=self._cluster[name], cursor={"field": "at"}, lists=["kind"], batch_size=32
        )
        return ElasticsearchSource(config, credentials=credentials)

    def make_source(self) -> ElasticsearchSource:
        return self._of(self._credentials())

    def make_empty(self) -> ElasticsearchSource:
        self._cluster.index("none", PLAYS)
        return self._of(self._credentials(), "none")

    def make_bad_credentials(self) -> ElasticsearchSource:
        return self._of(self._credentials("wrong-Xq7-password"))

    def add_more(self) -> int:
        self._cluster.add("plays", [play(i) for i in range(1001, 1020)])
        return 19


class TestWithoutCursor(SourceConformance):
    """The same without a cursor: each read gives everything, and one cut short goes on."""

    expected_rows = 400
    incremental = False

    @pytest.fixture(autouse=True)
    def _data(self, indices: Indices) -> None:
        self._cluster = indices
        plays(indices, 400, number_of_shards=3)

    def make_source(self) -> ElasticsearchSource:
        return self._cluster.source(batch_size=40, lists=["kind"])

    def make_empty(self) -> ElasticsearchSource:
        return self._cluster.source("nothing-*")


# ── the point in time ────────────────────────────────────────────────────────────────────────


def test_one_read_sees_one_moment(indices: Indices) -> None:
    """Documents that are added while a read is under way are not in it."""
    plays(indices, 500)

    async def count() -> int:
        found = 0
        async for chunk in indices.source(batch_size=50, cursor={"field": "n"}).read(None):
            if not found:
                indices.add("plays", [play(i) for i in range(600, 700)])
            found += chunk.batch.num_rows
        return found

    assert asyncio.run(count()) == 500


def test_the_point_in_time_is_let_go(indices: Indices) -> None:
    """After a read to the end, one closed early and one that fails, the node holds nothing."""
    plays(indices, 500)
    source = indices.source(batch_size=50)
    read(source)
    read(source, limit=1)
    with pytest.raises(ConfigurationError):
        read(indices.source(query={"rangex": {}}))
    deadline = time.monotonic() + 60  # the page asked for ahead may still be on its way
    while indices.open_contexts and time.monotonic() < deadline:
        time.sleep(0.05)
    assert indices.open_contexts == 0


def test_a_lost_point_in_time_is_tried_again_from_the_cursor(indices: Indices) -> None:
    """A point in time that the server lost is a transient error; the cursor outlives it."""
    plays(indices, 500)
    source = indices.source(batch_size=50, cursor={"field": "n"})
    seen: list[Chunk] = []

    async def disturbed() -> None:
        async with aclosing(source.read(None)) as chunks:  # type: ignore[type-var]
            async for chunk in chunks:
                seen.append(chunk)
                call(indices.credentials, "DELETE", "_search/scroll/_all")
                call(indices.credentials, "POST", f"{indices['plays']}/_close")
                call(indices.credentials, "POST", f"{indices['plays']}/_open")

    with pytest.raises(TransientError):
        asyncio.run(disturbed())
    call(indices.credentials, "GET", "_cluster/health?wait_for_status=green&timeout=30s")
    assert Counter(ids(seen) + ids(read(source, seen[-1].cursor))) == Counter(
        f"p{i}" for i in range(500)
    )


# ── what can go wrong ────────────────────────────────────────────────────────────────────────


def test_missing_names_offer_the_nearest(indices: Indices) -> None:
    """An index or field that is not there comes with what may have been meant."""
    plays(indices, 5)
    with pytest.raises(NotFound, match=f"did you mean '{indices['plays']}'"):
        read(indices.source("playz"))
    with pytest.raises(ConfigurationError, match=r"did you mean 'device\.volume'"):
        read(indices.source(cursor={"field": "device.volum"}))
    with pytest.raises(ConfigurationError, match=r"track is text.*keyword"):
        read(indices.source(cursor={"field": "track"}))
    with pytest.raises(ConfigurationError, match=r"unknown query \[rangex\]"):
        read(indices.source(query={"rangex": {}}))
    with pytest.raises(ConfigurationError, match="max_result_window"):
        read(indices.source(batch_size=20_000))
    wrong: dict[str, Any]
    for wrong in ({"name": "nothing-*"}, {"query": {"rangex": {}}}):
        health = asyncio.run(indices.source(**wrong).check())
        assert not health.ok


def test_a_shard_that_fails_is_never_left_out(indices: Indices) -> None:
    """Where one index of two cannot answer, nothing is read and an error says why."""
    indices.index("t-1", {"k": {"type": "keyword"}})
    indices.index("t-2", {"k": {"type": "long"}})
    indices.add("t-1", [{"k": "five"}])
    indices.add("t-2", [{"k": 5}])
    source = indices.source("t-*", query={"term": {"k": "five"}})
    with pytest.raises(ConfigurationError, match="five"):
        read(source)
    with pytest.raises((ConfigurationError, TransientError), match="five"):
        asyncio.run(source.is_ready(None))


def test_an_index_without_its_documents_is_refused(indices: Indices) -> None:
    """An index that keeps no _source cannot be imported, and says so before anything is read."""
    mappings = {"_source": {"enabled": False}, "properties": {"a": {"type": "long"}}}
    call(indices.credentials, "PUT", indices["t"], {"mappings": mappings})
    indices.add("t", [{"a": 1}])
    with pytest.raises(ConfigurationError, match="_source disabled"):
        read(indices.source("t"))


@pytest.mark.parametrize(
    "query",
    [
        {"script": {"script": "1 == 1"}},
        {"bool": {"filter": [{"script_score": {"query": {}, "script": {"source": "1"}}}]}},
    ],
)
def test_scripts_are_refused(query: dict[str, Any]) -> None:
    """A query that would run code on the server is a mistake in the configuration."""
    with pytest.raises(ValidationError, match="no scripts"):
        ElasticsearchConfig(index="plays", query=query)


def test_parts_whose_point_in_time_is_gone_must_be_run_anew(indices: Indices) -> None:
    """No retry of one part helps once the server let go of what they share; the error says so."""
    plays(indices, 50)
    part, _ = asyncio.run(indices.source().partitions(2))
    assert part.config.slice
    call(indices.credentials, "DELETE", "_pit", {"id": part.config.slice.point})
    with pytest.raises(ConfigurationError, match="run all of them anew"):
        read(part)


@pytest.fixture
def guard(indices: Indices) -> Iterator[Guard]:
    plays(indices, 200)
    with Guard(indices.credentials, login="elastic", password="pw", api_key="aWQ6a2V5") as found:
        yield found


def behind(indices: Indices, guard: Guard, **words: Any) -> ElasticsearchSource:
    extra = {"api_key": "aWQ6a2V5"}
    credentials = Credentials(**{"host": "127.0.0.1", "port": guard.port, "extra": extra, **words})
    config = ElasticsearchConfig(index=indices["plays"], batch_size=50)
    return ElasticsearchSource(config, credentials=credentials)


def test_api_keys_and_refusals(indices: Indices, guard: Guard) -> None:
    """An API key works encoded or as a pair; wrong ones and missing privileges are told apart."""
    assert len(ids(read(behind(indices, guard)))) == 200
    assert len(ids(read(behind(indices, guard, extra={"api_key": ["id", "key"]})))) == 200
    with pytest.raises(AuthenticationError, match="unable to authenticate"):
        read(behind(indices, guard, extra={"api_key": "d3Jvbmc="}))
    guard.forbidden.add("/_nodes/_local")
    health = asyncio.run(behind(indices, guard).check())
    assert health.ok, health.message
    guard.forbidden.add("/_pit")
    with pytest.raises(ForbiddenError, match="privileges"):
        read(behind(indices, guard))
    with pytest.raises(TransientError, match="cannot connect"):
        read(behind(indices, guard, port=9))


def test_a_server_that_has_too_much_to_do_is_asked_again(indices: Indices, guard: Guard) -> None:
    """A full queue, a tripped breaker and a gateway's error are waited out, and nothing is lost."""
    for status, kind in ((429, "circuit_breaking_exception"), (503, "unavailable"), (502, "x")):
        guard.faults.append(("/_search", refusal(status, kind, "too much")))
    assert Counter(ids(read(behind(indices, guard)))) == Counter(f"p{i}" for i in range(200))
    assert not guard.faults


def test_an_answer_in_part_is_an_error(indices: Indices, guard: Guard) -> None:
    """A 200 that says a shard failed, or that time was up, is not taken for the whole."""
    from aiohttp import web

    shards = {"total": 2, "successful": 1, "skipped": 0, "failed": 1}
    failed = {"timed_out": False, "_shards": shards, "hits": {"hits": []}}
    slow = {"timed_out": True, "_shards": {"total": 1, "failed": 0}, "hits": {"hits": []}}
    for answer in (failed, slow):
        guard.faults.append(("/_search", web.json_response(answer)))
        with pytest.raises(TransientError, match="in part"):
            read(behind(indices, guard))


def test_a_server_of_another_kind_is_told(indices: Indices, guard: Guard) -> None:
    """OpenSearch, which has no _pit, is named in the error."""
    guard.faults.append(("/_pit", refusal(405, "", "Incorrect HTTP method for uri [/plays/_pit]")))
    with pytest.raises(ConfigurationError, match="not OpenSearch"):
        read(behind(indices, guard))


def test_an_older_server_that_knows_no_exclude_vectors(indices: Indices, guard: Guard) -> None:
    """Vectors are asked for where answers leave them out, and come without asking from others."""
    indices.index("v", {"v": {"type": "dense_vector", "dims": 2}})
    indices.add("v", [{"v": [0.5, i]} for i in range(5)])
    said = "Unknown key for a VALUE_BOOLEAN in [exclude_vectors]."
    guard.faults.append(("/_search", refusal(400, "parsing_exception", said)))
    source = behind(indices, guard).narrowed(index=indices["v"], batch_size=2)
    before = len(guard.asked)
    assert [r["v"] for r in rows(read(source))] == [[0.5, float(i)] for i in range(5)]
    asked = [path for _, path in guard.asked[before:] if path == "/_search"]
    assert len(asked) == 4  # one that was refused, and three pages


def test_https_with_an_authority_of_its_own(indices: Indices, tmp_path: Path) -> None:
    """``ca_certs`` makes a private authority trusted; without it nothing is sent."""
    plays(indices, 5)
    certificate, key = certified(tmp_path)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    node = indices.credentials
    with Guard(node, login="e", password="p", api_key="aWQ6a2V5", tls=context) as guard:
        extra = {"api_key": "aWQ6a2V5", "ca_certs": str(certificate)}
        source = behind(indices, guard, database="https", extra=extra)
        assert len(ids(read(source))) == 5
        with pytest.raises(ConfigurationError, match="Certificate"):
            read(behind(indices, guard, database="https", extra={"api_key": "aWQ6a2V5"}))
        with pytest.raises(ConfigurationError, match="no file of certificates"):
            missing = extra | {"ca_certs": str(tmp_path / "none.pem")}
            read(behind(indices, guard, database="https", extra=missing))


def certified(folder: Path) -> tuple[Path, Path]:
    """Write a certificate that signs itself for this machine, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.oid.NameOID.COMMON_NAME, "tests")])
    now = datetime.now(UTC)
    local = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(local, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem, secret = folder / "certificate.pem", folder / "key.pem"
    pem.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    plain = serialization.NoEncryption()
    form = serialization.PrivateFormat.PKCS8
    secret.write_bytes(key.private_bytes(serialization.Encoding.PEM, form, plain))
    return pem, secret


def test_elasticsearch_8_gives_the_same(elasticsearch_8: Credentials) -> None:
    """The same reads work on a node of the major before: pages, cursor, parts, vectors, checks."""
    with Made(elasticsearch_8) as indices:
        plays(indices, 300, number_of_shards=2)
        source = indices.source(cursor={"field": "at"}, batch_size=40)
        chunks = read(source)
        assert Counter(ids(chunks)) == Counter(f"p{i}" for i in range(300))
        for chunk in chunks[::3]:
            rest = ids(read(source, chunk.cursor))
            assert Counter(rest + ids(chunks[: chunks.index(chunk) + 1])) == Counter(ids(chunks))
        for each in (source, indices.source()):
            parts = asyncio.run(each.partitions(3))
            assert len(parts) == 3
            assert Counter(i for p in parts for i in ids(read(p))) == Counter(ids(chunks))
        indices.index("v", {"v": {"type": "dense_vector", "dims": 2}})
        indices.add("v", [{"v": [0.5, 1.5]}])
        assert rows(read(indices.source("v", metadata=[]))) == [{"v": [0.5, 1.5]}]
        assert ", Elasticsearch 8." in asyncio.run(source.check()).message
