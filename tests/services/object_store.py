"""An S3 server for tests: moto in a thread, which checks who asks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from urllib.request import Request, urlopen

import boto3
import pytest
from moto.server import ThreadedMotoServer

from airflow_provider_spotify.core.model import Credentials


@contextmanager
def object_store() -> Iterator[Credentials]:
    """Run the server, empty; give credentials that may do everything."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        url = f"http://{host}:{port}"
        # moto keeps buckets for as long as the process lives, whichever server they came by
        urlopen(Request(f"{url}/moto-api/reset", method="POST")).close()
        yield Credentials(
            login="AKIAIOSFODNN7TESTING",
            password="not-a-real-secret-key",
            extra={"endpoint_url": url, "region_name": "us-east-1"},
        )
    finally:
        server.stop()


def client(credentials: Credentials) -> boto3.client:
    """Return a client of the server, to put objects with."""
    return boto3.client(
        "s3",
        endpoint_url=credentials.extra["endpoint_url"],
        region_name="us-east-1",
        aws_access_key_id=credentials.login,
        aws_secret_access_key=credentials.secret(),
    )


def check_who_asks(credentials: Credentials, *, after: str) -> None:
    """Make the server refuse unknown keys after so many more requests (``inf``: never)."""
    url = f"{credentials.extra['endpoint_url']}/moto-api/reset-auth"
    plain = {"Content-Type": "text/plain"}
    urlopen(Request(url, data=after.encode(), headers=plain, method="POST")).close()


@pytest.fixture(scope="module")
def s3() -> Iterator[Credentials]:
    """Give an S3 server of this module's tests, with a bucket ``acme``."""
    with object_store() as credentials:
        client(credentials).create_bucket(Bucket="acme")
        yield credentials
