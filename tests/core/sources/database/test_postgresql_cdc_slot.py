"""The replication slot of an import: what it keeps, when it moves on, how its failure is told."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import aclosing, contextmanager
from typing import Any

import pytest

from airflow_provider_spotify.core.clients.postgres import connect
from airflow_provider_spotify.core.clients.postgres_replication import Replication, position
from airflow_provider_spotify.core.errors import (
    ConfigurationError,
    DataError,
    ForbiddenError,
    TransientError,
)
from airflow_provider_spotify.core.model import Credentials
from airflow_provider_spotify.core.sources.database import _postgresql_stream
from airflow_provider_spotify.core.sources.database._postgresql_cdc import slot_name
from airflow_provider_spotify.core.sources.database.postgresql import (
    PostgresqlConfig,
    PostgresqlSource,
)
from airflow_provider_spotify.core.testing.sources import read
from tests.core.sources.database.plays import Database, Make, Run, folded, rows
from tests.services.postgres import drop_slots, postgres_server

TABLE = "CREATE TABLE t (id int PRIMARY KEY, v text);\nINSERT INTO t VALUES (1, 'a')"
SLOT = "spotify_default_public_t"


@pytest.fixture(autouse=True)
def _slots_are_of_one_database(database: Database) -> Iterator[None]:
    """Slots are named for the whole server, so none of another test may be left."""
    _drop(database)
    yield
    _drop(database)


def _drop(database: Database) -> None:
    drop_slots(database[1], str(database[0].database))


def confirmed(database: Database) -> int:
    """Return what the slot has forgotten."""
    query = b"SELECT confirmed_flush_lsn::text FROM pg_replication_slots WHERE slot_name = $1"
    row = database[1].execute(query, [SLOT]).fetchone()
    assert row is not None
    return position(row[0])


def test_reading_moves_no_slot(make: Make, run: Run, database: Database) -> None:
    """Only ``committed`` does, and only so far that the load before can be run again."""
    run(TABLE)
    source = make(table="t", mode="cdc")
    first = read(source)[-1].cursor
    begun = confirmed(database)
    source.committed(first)
    run("INSERT INTO t VALUES (2, 'b')")
    second = read(source, first)[-1].cursor
    assert read(source, second) == []
    assert confirmed(database) == begun
    source.committed(second)
    assert confirmed(database) == first["lsn"]
    assert [row["id"] for row in rows(read(source, first))] == [2], "the load is run again"
    run("INSERT INTO t VALUES (3, 'c')")
    third = read(source, second)[-1].cursor
    source.committed(third)
    assert confirmed(database) == second["lsn"]
    with pytest.raises(DataError, match=r"has forgotten changes.*full refresh"):
        read(source, first)


def test_a_checkpoint_is_no_commit(make: Make, run: Run, database: Database) -> None:
    """A load that goes on from its checkpoint still keeps what comes before it in the slot."""
    run(TABLE)
    source = make(table="t", mode="cdc", batch_size=1)
    first = read(source)[-1].cursor
    run("INSERT INTO t VALUES (2, 'b'), (3, 'c'), (4, 'd')")
    checkpoint = read(source, first, limit=1)[-1].cursor
    again = read(source, checkpoint)[-1].cursor
    source.committed(again)
    assert confirmed(database) == first["lsn"]
    assert [row["id"] for row in rows(read(source, first))] == [2, 3, 4]


async def test_a_stream_is_told_while_it_is_read(
    make: Make, run: Run, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another instance, in another thread, says what is committed; the slot moves at once.

    A row comes when it is there, and not when a silent stream is looked at again.
    """
    run(TABLE)
    source = make(table="t", mode="cdc")
    first = (await asyncio.to_thread(read, source))[-1].cursor
    run("INSERT INTO t VALUES (2, 'b')")
    second = (await asyncio.to_thread(read, source, first))[-1].cursor
    source.committed(second)
    async with aclosing(source.following().read(second)) as stream:  # type: ignore[type-var]
        with monkeypatch.context() as patch:
            patch.setattr(_postgresql_stream, "_GLANCE", 3600)
            waiting = asyncio.ensure_future(anext(stream))
            await asyncio.sleep(0.3)
            run("INSERT INTO t VALUES (3, 'c')")
            chunk = await asyncio.wait_for(waiting, 60)
        assert [row["id"] for row in rows([chunk])] == [3]
        assert await source.is_ready(second) is False, "what reads it has what there is"
        waiting = asyncio.ensure_future(anext(stream))
        await asyncio.to_thread(source.committed, chunk.cursor)
        for _ in range(1200):
            if confirmed(database) == second["lsn"]:
                break
            await asyncio.sleep(0.05)
        await asyncio.sleep(1)
        assert confirmed(database) == second["lsn"], "it moves so far, and no further"
        waiting.cancel()
        await asyncio.wait([waiting])


def test_a_silent_table_lets_the_log_go(make: Make, run: Run, database: Database) -> None:
    """Where other tables fill the log, a cursor comes without rows, and the slot moves on."""
    run(f"{TABLE};\nCREATE TABLE busy (v text)")
    source = make(table="t", mode="cdc", cdc={"idle_bytes": 100_000})
    first = read(source)[-1].cursor
    run("INSERT INTO busy SELECT repeat('x', 100) FROM generate_series(1, 3000)")
    assert asyncio.run(source.is_ready(first)) is True
    chunks = read(source, first)  # one, or more where the server tells its position on the way
    assert {chunk.batch.num_rows for chunk in chunks} == {0}
    chunk = chunks[-1]
    assert chunk.batch.schema.names[:2] == ["id", "v"]
    assert chunk.cursor["lsn"] - first["lsn"] >= 100_000
    source.committed(chunk.cursor)
    run("INSERT INTO busy SELECT repeat('x', 100) FROM generate_series(1, 3000)")
    run("INSERT INTO t VALUES (2, 'b')")
    found = read(source, chunk.cursor)
    assert [row["id"] for row in rows(found)] == [2]
    source.committed(found[-1].cursor)
    assert confirmed(database) == chunk.cursor["lsn"]
    patient = make(table="t", mode="cdc")
    run("INSERT INTO busy SELECT repeat('x', 100) FROM generate_series(1, 3000)")
    assert read(patient, found[-1].cursor) == []
    assert asyncio.run(patient.is_ready(found[-1].cursor)) is False


def test_a_read_from_the_beginning_keeps_the_slot(make: Make, run: Run, database: Database) -> None:
    """A first load that is run again, or a full refresh, brings the deletes of meanwhile, too.

    Else a table that is merged into would keep rows for ever. Nothing is lost for a load that goes
    on from its cursor instead: reading everything as a rehearsal does no harm.
    """
    run(f"{TABLE};\nINSERT INTO t VALUES (2, 'b')")
    source = make(table="t", mode="cdc")
    first = read(source)
    begun = confirmed(database)
    run("UPDATE t SET v = 'c' WHERE id = 1;\nDELETE FROM t WHERE id = 2")
    again = read(source)
    found = [(row["_op"], row["id"], row["v"]) for row in rows(again)]
    assert found == [("snapshot", 1, "c"), ("update", 1, "c"), ("delete", 2, None)]
    assert folded([*first, *again]) == {1: "c"}
    assert confirmed(database) == begun
    assert [row["_op"] for row in rows(read(source, first[-1].cursor))] == ["update", "delete"]
    assert read(source, again[-1].cursor) == []


def test_a_slot_that_is_read_elsewhere_is_waited_for(make: Make, run: Run) -> None:
    """Two readers of one slot exclude each other; the second may try again later."""
    run(TABLE)
    source = make(table="t", mode="cdc")
    last = read(source)[-1].cursor
    run("INSERT INTO t VALUES (2, 'b')")
    with Replication(source.credentials) as other:
        other.start(SLOT, at=0, publication=SLOT)
        with pytest.raises(TransientError, match="is active"):
            read(source, last)
    assert [row["id"] for row in rows(read(source, last))] == [2]


def test_a_slot_that_is_gone_is_said(make: Make, run: Run, database: Database) -> None:
    """Without its slot an import has a gap; the error says how to read fully again, which works."""
    run(TABLE)
    source = make(table="t", mode="cdc")
    last = read(source)[-1].cursor
    _drop(database)
    for attempt in (lambda: read(source, last), lambda: asyncio.run(source.is_ready(last))):
        with pytest.raises(DataError, match=rf"slot {SLOT} is not there.*full refresh"):
            attempt()
    assert len(rows(read(source))) == 1


def test_a_slot_whose_log_was_removed_is_said(make: Make, run: Run, database: Database) -> None:
    """Beyond max_slot_wal_keep_size the server invalidates a slot; the error says what to do."""
    run(TABLE)
    source = make(table="t", mode="cdc")
    last = read(source)[-1].cursor
    with _keeping(database, "1MB"):
        for _ in range(4):
            run("INSERT INTO t SELECT max(id) + 1, 'x' FROM t;\nSELECT pg_switch_wal()")
        run("CHECKPOINT")
    with pytest.raises(DataError, match=r"was invalidated.*max_slot_wal_keep_size.*full refresh"):
        read(source, last)
    health = asyncio.run(source.check())
    assert not health.ok
    assert "invalidated" in health.message
    assert len(rows(read(source))) == 5


@contextmanager
def _keeping(database: Database, size: str) -> Iterator[None]:
    _configure(database, f"SET max_slot_wal_keep_size = '{size}'")
    try:
        yield
    finally:
        _configure(database, "RESET max_slot_wal_keep_size")


def _configure(database: Database, setting: str) -> None:
    """Change a setting of the server, and wait until it is known."""
    before = _loaded(database)
    database[1].execute(f"ALTER SYSTEM {setting}".encode())
    database[1].execute(b"SELECT pg_reload_conf()")
    deadline = time.monotonic() + 60
    while _loaded(database) == before:
        assert time.monotonic() < deadline, "the server does not read its settings again"
        time.sleep(0.02)


def _loaded(database: Database) -> Any:
    """Return when the server read its settings, as a new session has it.

    The process that starts sessions reads them first, and tells the others before it goes on.
    """
    with connect(database[0]) as connection:
        return connection.execute(b"SELECT pg_conf_load_time()").fetchone()


# ── what a server must allow ─────────────────────────────────────────────────────────────────


def test_nothing_is_made_where_that_is_not_allowed(make: Make, run: Run) -> None:
    """``create: false`` names the statement for what is missing; what is there is used."""
    run(TABLE)
    own: dict[str, Any] = {"create": False, "publication": "theirs", "slot": f"{SLOT}_own"}
    source = make(table="t", mode="cdc", cdc={**own, "snapshot": "never"})
    with pytest.raises(ConfigurationError, match=r'CREATE PUBLICATION "theirs" FOR TABLE'):
        read(source)
    run("CREATE PUBLICATION theirs FOR TABLE t (id) WHERE (id > 1)")
    with pytest.raises(ConfigurationError, match=r"create: true"):
        read(source)
    run(f"SELECT pg_create_logical_replication_slot('{SLOT}_own', 'pgoutput')")
    run("INSERT INTO t VALUES (2, 'b'), (0, 'not published')")
    assert [(row["_op"], row["id"]) for row in rows(read(source))] == [("insert", 2)]
    mine = make(table="t", mode="cdc", cdc={"publication": "theirs"})
    (snapshot,) = read(mine)
    assert [row["id"] for row in rows([snapshot])] == [2], "as the publication shows the table"
    assert "v" not in snapshot.batch.schema.names


def test_a_publication_of_other_tables_is_said(make: Make, run: Run) -> None:
    """A publication that is there but lacks the table is not changed; the error names how."""
    run(f"{TABLE};\nCREATE TABLE other (id int);\nCREATE PUBLICATION theirs FOR TABLE other")
    with pytest.raises(ConfigurationError, match=r'ALTER PUBLICATION "theirs" ADD TABLE'):
        read(make(table="t", mode="cdc", cdc={"publication": "theirs"}))
    run("CREATE VIEW v AS SELECT * FROM t")
    with pytest.raises(ConfigurationError, match="only a table has changes"):
        read(make(table="v", mode="cdc"))
    with pytest.raises(ConfigurationError, match="is not there"):
        read(make(table="nowhere", mode="cdc"))


def test_a_slot_of_another_plugin_is_not_touched(make: Make, run: Run) -> None:
    """It belongs to somebody else."""
    run(f"{TABLE};\nSELECT pg_create_logical_replication_slot('{SLOT}', 'test_decoding')")
    with pytest.raises(ConfigurationError, match="is of plugin test_decoding"):
        read(make(table="t", mode="cdc"))


def test_a_login_without_rights_is_told_which(make: Make, run: Run, database: Database) -> None:
    """First the publication needs an owner, then the log needs REPLICATION."""
    run(f"{TABLE};\nDROP ROLE IF EXISTS reader_of_tests")
    run("CREATE ROLE reader_of_tests LOGIN PASSWORD 'r';\nGRANT SELECT ON t TO reader_of_tests")
    values = database[0].model_dump() | {"login": "reader_of_tests", "password": "r"}
    source = PostgresqlSource(
        PostgresqlConfig(table="t", mode="cdc"), credentials=Credentials(**values)
    )
    with pytest.raises(ForbiddenError, match=r"may not publish.*CREATE PUBLICATION"):
        read(source)
    run(f"CREATE PUBLICATION {SLOT} FOR TABLE t")
    with pytest.raises(ForbiddenError, match=r"ALTER ROLE … REPLICATION"):
        read(source)
    assert "REPLICATION" in asyncio.run(source.check()).message
    run("ALTER ROLE reader_of_tests REPLICATION")
    assert len(rows(read(source))) == 1
    health = asyncio.run(source.check())
    assert "2 columns, slot" in health.message
    _drop(database)
    run("DROP OWNED BY reader_of_tests;\nDROP ROLE reader_of_tests")


def test_a_server_without_a_logical_log_is_told_what_to_set() -> None:
    """``wal_level`` must be logical; the message says how."""
    with postgres_server(wal_level="replica") as credentials:
        with connect(credentials) as connection:
            connection.execute(b"CREATE TABLE t (id int PRIMARY KEY)")
        source = PostgresqlSource(PostgresqlConfig(table="t", mode="cdc"), credentials=credentials)
        with pytest.raises(ConfigurationError, match=r"wal_level is replica.*ALTER SYSTEM"):
            read(source)
        assert "wal_level" in asyncio.run(source.check()).message


def test_names_of_slots_are_allowed_and_differ() -> None:
    """A slot's name has only small letters, digits and underscores, and at most 63 of them."""
    assert slot_name("acme", "public", "plays") == "spotify_acme_public_plays"
    odd = {slot_name("acme", "public", name) for name in ("Plays", "plays!", "x" * 63, "x" * 62)}
    assert len(odd) == 4
    for name in odd:
        assert len(name) <= 63
        PostgresqlConfig.model_validate({"table": "t", "mode": "cdc", "cdc": {"slot": name}})
