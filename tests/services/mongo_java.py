"""A second server of MongoDB's protocol: mongo-java-server, which has every type and an oplog.

It keeps documents in memory and asks for no password. Beyond FerretDB it has Decimal128, MinKey and
MaxKey, NaN, arrays of arrays, names with dots, more stages of pipelines, and change streams.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from airflow_provider_spotify.core.clients.mongo import connect
from airflow_provider_spotify.core.model import Credentials
from tests.services.maven import jars
from tests.services.mongodb import MongoDatabase
from tests.services.process import free_port, listening, missing, running

_JARS = ("de.bwaldvogel:mongo-java-server:1.47.0",)
_MAIN = """
import de.bwaldvogel.mongo.MongoServer;
import de.bwaldvogel.mongo.MongoVersion;
import de.bwaldvogel.mongo.backend.memory.MemoryBackend;
import de.bwaldvogel.mongo.bson.Document;
import de.bwaldvogel.mongo.wire.message.MongoMessage;
import java.lang.reflect.Field;
import java.lang.reflect.Method;
import java.util.List;

public class Server {
    // The driver talks to servers of wire version 9 and later only, and expects of those with
    // change streams that every answer says the time of the last operation.
    static final MongoVersion VERSION = new MongoVersion() {
        public List<Integer> getVersionArray() { return List.of(5, 0, 0); }
        public int getWireVersion() { return 13; }
    };

    static class Backend extends MemoryBackend {
        @Override public Document handleMessage(MongoMessage message) {
            Document answer = super.handleMessage(message);
            if (!answer.containsKey("operationTime")) {
                answer.put("operationTime", lastOperation());
            }
            return answer;
        }

        private Object lastOperation() {
            try {
                Field field = oplog.getClass().getDeclaredField("oplogClock");
                field.setAccessible(true);
                Method now = field.getType().getDeclaredMethod("now");
                now.setAccessible(true);
                return now.invoke(field.get(oplog));
            } catch (ReflectiveOperationException error) {
                throw new IllegalStateException(error);
            }
        }
    }

    public static void main(String[] words) throws Exception {
        Backend backend = new Backend();
        backend.version(VERSION);
        MongoServer server = new MongoServer(backend);
        server.enableOplog();
        server.bind("127.0.0.1", Integer.parseInt(words[0]));
        Thread.currentThread().join();
    }
}
"""


@pytest.fixture(scope="session")
def mongo_java() -> Iterator[Credentials]:
    """Give a server of this test session; skip with the reason where there is none."""
    if shutil.which("java") is None:
        missing("mongo-java-server needs Java 17 (apt install openjdk-17-jdk-headless)")
    folder = jars("mongo-java-server", _JARS)
    with tempfile.TemporaryDirectory(prefix="mongo-java-") as scratch:
        Path(scratch, "Server.java").write_text(_MAIN)
        port = free_port()
        classes = f"{folder}{os.sep}*"
        command = ["java", "-Xmx256m", "-cp", classes, "Server.java", str(port)]
        with running(
            command,
            name="mongo-java",
            folder=Path(scratch),
            healthy=lambda: listening(port),
            seconds=180,
        ):
            yield Credentials(host="127.0.0.1", port=port)


@pytest.fixture
def mongo_java_database(mongo_java: Credentials) -> Iterator[MongoDatabase]:
    """Give a database of this test alone."""
    with connect(mongo_java) as client:
        name = f"test_{uuid.uuid4().hex[:12]}"
        yield MongoDatabase(mongo_java, client[name])
        client.drop_database(name)
