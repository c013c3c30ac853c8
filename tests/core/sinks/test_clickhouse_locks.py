"""Locks in ClickHouse among threads of one process, and among several who bury a dead holder."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from airflow_provider_spotify.core.clients.clickhouse import connect
from airflow_provider_spotify.core.errors import TransientError
from airflow_provider_spotify.core.model import Credentials
from airflow_provider_spotify.core.sinks._clickhouse_locks import (
    Holder,
    Lease,
    Locks,
    _self,
    lock_table,
)
from airflow_provider_spotify.core.sinks._clickhouse_server import ClickHouseServer

pytestmark = pytest.mark.service("clickhouse")
Look = Callable[[str, str], None]
Opened = Callable[..., Locks]


class Watched(ClickHouseServer):
    """Lets somebody look right before and right after each statement that it runs."""

    def __init__(self, credentials: Credentials, look: Look) -> None:
        super().__init__(credentials)
        self._look = look

    def run(self, sql: str, **settings: object) -> None:
        self._look("before", sql)
        super().run(sql, **settings)
        self._look("after", sql)


@pytest.fixture
def locks(clickhouse_database: Credentials) -> Iterator[Opened]:
    """Give a function that opens a loader's locks in this test's database."""
    with ExitStack() as stack:

        def opened(look: Look = lambda when, sql: None) -> Locks:
            server = Watched(clickhouse_database, look)
            stack.callback(server.close)
            found = Locks(server, database=str(clickhouse_database.database))
            stack.callback(_end, found)
            return found

        yield opened


def _end(locks: Locks) -> None:
    """Give back what is still held, which ends the beats."""
    for lease in locks.held:
        locks.release(lease)


def holds(locks: Locks) -> bool:
    """Ask the server whether all that is held is still ours."""
    ((mine,),) = locks._server.rows(f"SELECT {locks.fence()} AS mine")
    return bool(mine)


def test_a_lock_that_comes_or_goes_is_no_dead_one(locks: Opened) -> None:
    """Another thread finds it held as soon as it is there, and until it is no longer there."""
    other, seen = locks(), list[tuple[str, str]]()

    def look(when: str, sql: str) -> None:
        verb = sql.partition(" ")[0]
        if (when, verb) in (("after", "CREATE"), ("before", "DROP")):
            assert isinstance(other.take("x", patience=0), Holder)
            seen.append((when, verb))

    mine = locks(look)
    lease = mine.take("x", patience=0)
    assert isinstance(lease, Lease)
    assert holds(mine)
    mine.release(lease)
    assert seen == [("after", "CREATE"), ("before", "DROP")]
    found = other.take("x", patience=0)
    assert isinstance(found, Lease)
    other.release(found)


def test_threads_take_turns(locks: Opened) -> None:
    """Of many who want one lock one at a time has it, until it gives it back."""
    inside, most, failures = threading.Semaphore(1), list[bool](), list[BaseException]()

    def turns(mine: Locks) -> None:
        try:
            for _ in range(4):
                lease = mine.take("x", patience=300)
                assert isinstance(lease, Lease)
                most.append(inside.acquire(blocking=False) and holds(mine))
                inside.release()
                mine.release(lease)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=turns, args=(locks(),)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert most == [True] * 16


def test_what_cannot_be_given_back_is_free_at_once(locks: Opened) -> None:
    """A lock whose table could not be dropped, or was made without an answer, is no obstacle."""
    broken: list[tuple[str, str]] = []

    def look(when: str, sql: str) -> None:
        if broken and broken[0] == (when, sql.partition(" ")[0]):
            broken.pop()
            raise TransientError("the connection is gone")

    mine = locks(look)
    broken.append(("after", "CREATE"))
    with pytest.raises(TransientError):
        mine.take("x", patience=0)
    lease = mine.take("x", patience=0)
    assert isinstance(lease, Lease)
    broken.append(("before", "DROP"))
    with pytest.raises(TransientError):
        mine.release(lease)
    other = locks()
    found = other.take("x", patience=0)
    assert isinstance(found, Lease)
    assert holds(other)
    other.release(found)


def test_of_several_who_bury_a_holder_the_last_one_waits(
    locks: Opened, clickhouse_database: Credentials
) -> None:
    """One that comes late and takes a new holder's lock away finds a third, and does not fail."""
    with connect(clickhouse_database) as client:
        words = json.dumps({**_self(), "started": 0, "mark": "x"})
        client.command(
            f"CREATE TABLE {lock_table('x')} (beat DateTime64(3)) ENGINE = Memory COMMENT '{words}'"
        )
    second, third = locks(), locks()
    taken: list[Lease | Holder] = []

    def look(when: str, sql: str) -> None:
        if sql.startswith("RENAME") and len(taken) < 2:
            taken.append((second if when == "before" else third).take("x", patience=0))

    found = locks(look).take("x", patience=0)
    assert [type(each) for each in taken] == [Lease, Lease]
    assert isinstance(found, Holder)
    assert found.uuid == third.held[0].uuid
    assert (holds(second), holds(third)) == (False, True)
    third.release(third.held[0])
    with connect(clickhouse_database) as client:
        assert client.command("SELECT count() FROM system.tables WHERE database = database()") == 0
