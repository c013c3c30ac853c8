"""Acknowledges what is committed, and knows which consumers of a group are this import's.

A consumer ``import`` gets what is new. What it takes over from others goes to a consumer of its
own, ``import+<time>``: the ids taken are lower than those it has, and the cursor says "given up to
this id" of each consumer. Two more hold nothing, their names say something: ``import^<id>`` where
the import began, if the group had come further than that; ``import@<id>`` up to which id the
entries of ``import`` were acknowledged. So a load that is repeated knows that Redis will not give
those a second time.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow_provider_spotify.core.clients.redis import Link, pairs
from airflow_provider_spotify.core.sources.streaming._redis_streams_ids import order

DONE, BEGAN, TAKEN = "@", "^", "+"
PAGE = 5_000


def acknowledge(link: Link, name: str, state: Mapping[str, Any]) -> None:
    """Acknowledge, in the group of a cursor's state, what that state says was given.

    The mark is made first: a crash in between must not leave acknowledged entries unmarked.
    """
    group, given = str(state["group"]), {str(c): str(upto) for c, upto in state["given"].items()}
    there = consumers(link, name, group)
    if there is None:
        return
    for consumer, upto in given.items():
        if consumer in there:
            _mark(link, name, group, consumer, upto, old=mark(there, consumer, DONE))
        if there.get(consumer):
            _settle(link, name, group, consumer, upto)


def consumers(link: Link, name: str, group: str) -> dict[str, int] | None:
    """Return each consumer and how many entries it has pending; None if there is no group."""
    (reply,) = link.pipelined([("XINFO", "CONSUMERS", name, group)])
    if absent(reply):
        return None
    found = (pairs(each) for each in link.good(reply))
    return {each["name"].decode(errors="replace"): each["pending"] for each in found}


def absent(reply: Any) -> bool:
    """Say whether a reply is the error that there is no such stream or group."""
    said = str(reply).lower() if isinstance(reply, Exception) else ""
    return said.startswith("nogroup") or "no such key" in said


def owner(consumer: str) -> str:
    """Return whose a consumer is."""
    for sign in (DONE, BEGAN, TAKEN):
        consumer = consumer.partition(sign)[0]
    return consumer


def mark(there: Mapping[str, int], consumer: str, sign: str) -> str | None:
    """Return the highest id that marks of a consumer name, if there are any."""
    split = (each.partition(sign) for each in there)
    found = [id for name, mid, id in split if mid and name == consumer]
    return max(found, key=order, default=None)


def begin(link: Link, name: str, group: str, consumer: str) -> None:
    """Mark where an import joins a group that others have brought further than its beginning."""
    groups = map(pairs, link.do("XINFO", "GROUPS", name))
    at = next(g["last-delivered-id"] for g in groups if g["name"].decode() == group).decode()
    if order(at) > (0, 0):
        link.do("XGROUP", "CREATECONSUMER", name, group, f"{consumer}{BEGAN}{at}")


def _mark(link: Link, name: str, group: str, consumer: str, upto: str, *, old: str | None) -> None:
    if old is not None and order(old) >= order(upto):
        return
    link.do("XGROUP", "CREATECONSUMER", name, group, f"{consumer}{DONE}{upto}")
    if old is not None:
        link.do("XGROUP", "DELCONSUMER", name, group, f"{consumer}{DONE}{old}")


def _settle(link: Link, name: str, group: str, consumer: str, upto: str) -> None:
    """Acknowledge what a consumer has pending up to an id, page by page."""
    start = "-"
    while page := link.do("XPENDING", name, group, start, upto, PAGE, consumer):
        ids = [entry[0] for entry in page]
        link.do("XACK", name, group, *ids)
        start = f"({ids[-1].decode()}"
