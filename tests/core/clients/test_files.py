"""Files on real places: S3 (moto's server), HTTP, memory and the local disk."""

from __future__ import annotations

import asyncio
import functools
import http.server
import os
import threading
import traceback
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import pytest

from airflow_provider_spotify.core.clients.files import File, FileStore, dataset_name
from airflow_provider_spotify.core.errors import (
    AuthenticationError,
    ConfigurationError,
    ForbiddenError,
    TransientError,
)
from airflow_provider_spotify.core.model import Credentials
from airflow_provider_spotify.core.sources.files.csv import CsvConfig, CsvSource
from airflow_provider_spotify.core.testing.sources import SourceConformance, read
from tests.services.object_store import check_who_asks, client, s3

__all__ = ["s3"]

NOBODY = Credentials()


def names(credentials: Credentials, *paths: str) -> list[str]:
    return [file.path for file in FileStore(credentials).list(paths)]


@pytest.fixture(scope="module")
def bucket(s3: Credentials) -> Credentials:
    for key in ("in/a.csv", "in/b.csv", "in/deep/er/c.csv", "in/d.tsv", "other.csv"):
        client(s3).put_object(Bucket="acme", Key=key, Body=b"id\n1\n")
    return s3


class TestCsvOnS3(SourceConformance):
    """CSV objects in a bucket whose server checks who asks."""

    expected_rows = 2

    @pytest.fixture(autouse=True)
    def _bucket(self, s3: Credentials) -> Iterator[None]:
        self.credentials, self.s3, self.name = s3, client(s3), f"tenant-{uuid.uuid4().hex[:8]}"
        self.s3.create_bucket(Bucket=self.name)
        self.s3.put_object(Bucket=self.name, Key="in/1.csv", Body=b"id\n1\n")
        self.s3.put_object(Bucket=self.name, Key="in/2.csv", Body=b"id\n2\n")
        yield
        check_who_asks(s3, after="inf")

    def _source(self, path: str, credentials: Credentials) -> CsvSource:
        return CsvSource(CsvConfig(path=f"s3://{self.name}/{path}"), credentials=credentials)

    def make_source(self) -> CsvSource:
        return self._source("in/*.csv", self.credentials)

    def make_empty(self) -> CsvSource:
        return self._source("out/*.csv", self.credentials)

    def make_bad_credentials(self) -> CsvSource:
        check_who_asks(self.credentials, after="0")
        bad = self.credentials.model_copy(update={"password": "wrong-but-unmistakable-key"})
        return self._source("in/*.csv", Credentials(**bad.model_dump()))

    def add_more(self) -> int:
        self.s3.put_object(Bucket=self.name, Key="in/3.csv", Body=b"id\n3\n")
        return 1


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("s3://acme/in/*.csv", ["s3://acme/in/a.csv", "s3://acme/in/b.csv"]),
        ("s3://acme/in/[b-z].*", ["s3://acme/in/b.csv", "s3://acme/in/d.tsv"]),
        ("s3://acme/**/*.csv", 4),
        ("s3://acme/in/**/c.csv", ["s3://acme/in/deep/er/c.csv"]),
        ("s3://acme/*.csv", ["s3://acme/other.csv"]),
        ("s3://acme/other.csv", ["s3://acme/other.csv"]),
        ("s3://acme/none.csv", []),
        ("s3://acme/none/*.csv", []),
    ],
)
def test_globs_on_s3(bucket: Credentials, path: str, found: list[str] | int) -> None:
    """A glob finds the objects it describes and no other."""
    listed = names(bucket, path)
    assert len(listed) == found if isinstance(found, int) else listed == found


def test_a_bucket_that_is_not_there_is_an_error(bucket: Credentials) -> None:
    """A missing bucket, named or globbed, is a mistake and not an empty place."""
    for path in ("s3://nowhere/a.csv", "s3://nowhere/*.csv"):
        with pytest.raises(ConfigurationError, match="nowhere"):
            names(bucket, path)


def test_a_server_that_is_gone_is_worth_another_try() -> None:
    """A refused connection is transient."""
    gone = Credentials(login="a", password="b", extra={"endpoint_url": "http://127.0.0.1:9"})
    with pytest.raises(TransientError, match="s3://acme"):
        names(gone, "s3://acme/*.csv")


class _Handler(http.server.SimpleHTTPRequestHandler):
    """Serves a folder; /secret asks for a login, /closed for another one."""

    def send_head(self) -> Any:
        if self.path.startswith(("/secret", "/closed")):
            self.send_error(401 if self.path.startswith("/secret") else 403)
            return None
        return super().send_head()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def web(tmp_path: Path) -> Iterator[str]:
    (tmp_path / "a.csv").write_text("id\n1\n2\n")
    (tmp_path / "bad.csv").write_text("id,n\n1\n")
    handler = functools.partial(_Handler, directory=str(tmp_path))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


def test_files_over_http(web: str, tmp_path: Path) -> None:
    """A file is read over HTTP, and again only when it changes."""
    source = CsvSource(CsvConfig(path=f"{web}/a.csv"))
    (chunk,) = read(source)
    assert chunk.batch.num_rows == 2
    assert read(source, chunk.cursor) == []
    os.utime(tmp_path / "a.csv", (2e9, 2e9))
    assert len(read(source, chunk.cursor)) == 1
    assert read(CsvSource(CsvConfig(path=f"{web}/none.csv"))) == []


def test_signed_urls_are_shown_without_their_signature(web: str) -> None:
    """The query of a URL, which may be a key, is in no message, location or dataset name."""
    secret = "-".join(("very", "secret"))  # in two parts: tracebacks quote source lines
    source = CsvSource(CsvConfig(path=f"{web}/bad.csv?signature={secret}"))
    (chunk,) = read(source)
    assert chunk.rejected is not None
    shown = [str(chunk.rejected.to_pylist()), asyncio.run(source.check()).message]
    shown += [str(source.dataset())]
    with pytest.raises(AuthenticationError) as caught:
        names(NOBODY, f"{web}/secret.csv?signature={secret}")
    shown += traceback.format_exception(caught.value)
    assert not [text for text in shown if secret in text]


def test_http_refusals(web: str) -> None:
    """401 and 403 are told apart."""
    with pytest.raises(AuthenticationError):
        names(NOBODY, f"{web}/secret.csv")
    with pytest.raises(ForbiddenError):
        names(NOBODY, f"{web}/closed.csv")


def test_files_in_memory() -> None:
    """Any other fsspec scheme is read through fsspec."""
    fsspec.filesystem("memory").pipe("/drop/a.csv", b"id\n1\n")
    assert names(NOBODY, "memory://drop/*.csv") == ["memory://drop/a.csv"]
    (chunk,) = read(CsvSource(CsvConfig(path="memory://drop/*.csv")))
    assert chunk.batch.to_pylist() == [{"id": "1"}]


def test_unknown_schemes_are_named() -> None:
    """A scheme that nobody knows says which are known."""
    with pytest.raises(ConfigurationError, match="unknown scheme 'ftpx'"):
        names(NOBODY, "ftpx://host/a.csv")


def test_local_globs(tmp_path: Path) -> None:
    """Stars, double stars and several patterns give each file once, sorted."""
    for name in ("a.csv", "b.csv", "sub/deep/c.csv"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    found = names(NOBODY, f"{tmp_path}/**/*.csv", f"{tmp_path}/a.csv", f"file://{tmp_path}/b.csv")
    assert found == [f"{tmp_path}/{name}" for name in ("a.csv", "b.csv", "sub/deep/c.csv")]


def test_identity_changes_with_the_content(tmp_path: Path) -> None:
    """Size or modification time make another identity; nothing else does."""
    path = tmp_path / "a.csv"
    path.write_text("x")

    def identity() -> str:
        (file,) = FileStore(NOBODY).list([str(path)])
        return file.identity

    first = identity()
    path.chmod(0o600)
    assert identity() == first
    os.utime(path, (1e9, 1e9))
    second = identity()
    assert second != first
    assert File("p", 1, 5.0, 5.0, "tag").identity == File("p", 1, 6.0, 6.0, "tag").identity


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/data/*.csv", ("file", "/data/*.csv")),
        ("s3://acme/in/*.csv", ("s3://acme", "in/*.csv")),
        ("https://example.org/a.csv", ("https://example.org", "/a.csv")),
    ],
)
def test_dataset_names(path: str, name: tuple[str, str]) -> None:
    """Datasets are named as OpenLineage's specification names them."""
    assert dataset_name(path) == name


def test_check_tells_what_it_found(bucket: Credentials) -> None:
    """A connection test lists, and reports what went wrong instead of raising."""
    good = CsvSource(CsvConfig(path="s3://acme/in/*.csv"), credentials=bucket)
    health = asyncio.run(good.check())
    assert health.ok
    assert "2 files, 10 bytes" in health.message
    bad = CsvSource(CsvConfig(path="s3://nowhere/*.csv"), credentials=bucket)
    assert asyncio.run(bad.check()).ok is False
