"""A process holds no more connections to a server than it may."""

from __future__ import annotations

import threading
import time

import pytest

from airflow_provider_spotify.core.clients.slots import slot
from airflow_provider_spotify.core.errors import TransientError


def test_who_comes_when_all_are_taken_waits_until_one_is_free() -> None:
    order = []

    def second() -> None:
        with slot("me@a:1", most=1, timeout=10):
            order.append("second")

    with slot("me@a:1", most=1, timeout=10):
        thread = threading.Thread(target=second)
        thread.start()
        time.sleep(0.1)
        order.append("first")
    thread.join(10)
    assert order == ["first", "second"]


def test_a_wait_that_takes_too_long_says_what_to_change() -> None:
    with (
        slot("me@b:1", most=1, timeout=1),
        pytest.raises(TransientError, match=r"me@b:1: all 1 connections .* raise pool_size"),
        slot("me@b:1", most=1, timeout=0.01),
    ):
        pass


def test_servers_are_counted_apart_and_no_bound_is_none() -> None:
    with (
        slot("me@c:1", most=1, timeout=0.01),
        slot("me@d:1", most=1, timeout=0.01),
        slot("me@c:1", most=None, timeout=0.01),
    ):
        pass


def test_a_failure_inside_gives_the_connection_back() -> None:
    with pytest.raises(ValueError, match="inside"), slot("me@e:1", most=1, timeout=0.01):
        raise ValueError("inside")
    with slot("me@e:1", most=1, timeout=0.01):
        pass
