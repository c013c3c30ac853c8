"""What came before among many keys: exactly, also when runs are merged."""

from __future__ import annotations

import random

from airflow_provider_spotify.core.sources.database import _redis_seen
from airflow_provider_spotify.core.sources.database._redis_seen import Seen


def test_each_key_is_new_once() -> None:
    """Within a page, soon after, and long after, when it lies in a run of a million."""
    dice, seen, wanted = random.Random(1), Seen(), set[bytes]()
    for _ in range(400):
        begin = dice.randrange(1_500_000)
        page = [b"key:%d" % n for n in range(begin, begin + 4_000)] + [b"key:%d" % begin]
        fresh = seen.new(page)
        assert fresh == [key for key in page[:-1] if key not in wanted]
        wanted.update(page)
    assert len(wanted) > 3 * _redis_seen.RECENT, "no runs were merged"
    assert seen.new([]) == []
