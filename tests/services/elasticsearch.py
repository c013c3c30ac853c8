"""A real Elasticsearch node for tests, from Maven Central's jars: 9 on Java 21, 8 on Java 17.

It is the server and its network module, nothing else: docs/decisions says what that leaves out. So
it has no security; ``elastic_guard`` puts a proxy before it that asks for credentials.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
import urllib.error
import urllib.request
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson
import pytest

from airflow_provider_spotify.core.model import Credentials
from tests.services.maven import jars
from tests.services.process import free_port, missing, running

URL = "SPOTIFY_IMPORTS_TEST_ELASTICSEARCH_URL"
NINE, EIGHT = "9.5.3", "8.19.0"
_MODULE = "transport-netty4"
_NODE = Path(__file__).with_name("ElasticNode.java")


@pytest.fixture(scope="session")
def elasticsearch() -> Iterator[Credentials]:
    """Give a node of this test session, the newest that the installed Java runs."""
    if given := os.environ.get(URL):
        yield Credentials.from_uri(given)
        return
    with node(NINE if _java(21, name="Elasticsearch 9", needed=False) else EIGHT) as credentials:
        yield credentials


@pytest.fixture(scope="session")
def elasticsearch_8() -> Iterator[Credentials]:
    """Give a node of Elasticsearch 8."""
    with node(EIGHT) as credentials:
        yield credentials


@contextmanager
def node(version: str, *, heap: str = "320m") -> Iterator[Credentials]:
    """Run a node in a folder that goes away with it; skip with the reason where it cannot be."""
    java = _java(21 if version.startswith("9") else 17, name=f"Elasticsearch {version}")
    wanted = [f"org.elasticsearch:elasticsearch:{version}"]
    wanted.append(f"org.elasticsearch.plugin:{_MODULE}:{version}")
    library = jars(f"elasticsearch-{version}", wanted)
    with tempfile.TemporaryDirectory(prefix="elasticsearch-") as folder:
        home, port = Path(folder, "home"), free_port()
        command = [
            *(str(java), "-Xms128m", f"-Xmx{heap}", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"),
            *("--module-path", _laid_out(library, home), "--add-modules", "ALL-MODULE-PATH"),
            *(str(_NODE), str(home), "node.name=tests", "cluster.name=tests"),
            *("discovery.type=single-node", f"http.port={port}", f"transport.port={free_port()}"),
            *("network.host=127.0.0.1", "cluster.routing.allocation.disk.threshold_enabled=false"),
        ]
        credentials = Credentials(host="127.0.0.1", port=port)

        def healthy() -> bool:
            return bool(call(credentials, "GET", "_cluster/health")["number_of_nodes"])

        name = f"elasticsearch-{version}"
        with running(command, name=name, folder=Path(folder), healthy=healthy, seconds=240):
            yield credentials


def call(credentials: Credentials, method: str, path: str, body: Any = None) -> Any:
    """Send a request to a node and read its JSON; a list is sent as lines of JSON.

    :raises AssertionError: with the node's own words if it refuses
    """
    lines = b"".join(orjson.dumps(each) + b"\n" for each in body) if type(body) is list else None
    sent = lines or (None if body is None else orjson.dumps(body))
    request = urllib.request.Request(
        f"http://{credentials.host}:{credentials.port}/{path}",
        method=method,
        data=sent,
        headers={"Content-Type": "application/x-ndjson" if lines else "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return orjson.loads(answer.read() or b"null")
    except urllib.error.HTTPError as error:
        raise AssertionError(f"{method} {path}: {error.read().decode()[:500]}") from None


def _laid_out(library: Path, home: Path) -> str:
    """Put the network module where a node looks for it; return the module path of the rest."""
    module = home / "modules" / _MODULE
    for each in (module, home / "config", home / "plugins"):
        each.mkdir(parents=True)
    rest = []
    for jar in sorted(library.glob("*.jar")):
        if jar.name.startswith(("netty-", _MODULE)):
            (module / jar.name).symlink_to(jar)
        else:
            rest.append(str(jar))
    (own,) = library.glob(f"{_MODULE}-*.jar")
    with zipfile.ZipFile(own) as archive:
        described = archive.read(f"META-INF/es-plugins/{_MODULE}/plugin-descriptor.properties")
    (module / "plugin-descriptor.properties").write_bytes(described)
    return os.pathsep.join(rest)


def _java(least: int, *, name: str, needed: bool = True) -> Path | None:
    """Find a Java development kit of at least a major version: the oldest that will do."""
    homes = [Path(os.environ["JAVA_HOME"])] if os.environ.get("JAVA_HOME") else []
    if found := shutil.which("javac"):
        homes.append(Path(found).resolve().parents[1])
    homes += Path("/usr/lib/jvm").glob("*")
    fit = sorted((major, home) for home in homes if (major := _major(home)) >= least)
    if fit:
        return fit[0][1] / "bin" / "java"
    if needed:
        missing(f"{name} needs a JDK of version {least} or newer, and {URL} is not set")
    return None


def _major(home: Path) -> int:
    release, compiler = home / "release", home / "bin" / "javac"
    if not release.is_file() or not compiler.is_file():
        return 0
    found = re.search(r'JAVA_VERSION="(?:1\.)?(\d+)', release.read_text())
    return int(found[1]) if found else 0


__all__: Sequence[str] = ("URL", "call", "elasticsearch", "elasticsearch_8", "node")
