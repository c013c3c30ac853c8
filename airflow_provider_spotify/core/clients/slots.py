"""Bounds how many connections one process holds to a server at a time."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from airflow_provider_spotify.core.errors import TransientError

_changed = threading.Condition()
_taken: Counter[str] = Counter()


@contextmanager
def slot(server: str, *, most: int | None, timeout: float) -> Iterator[None]:
    """Hold one of the connections that this process may have to a server.

    Whoever asks brings a bound of its own, so two imports with different bounds both keep theirs.

    :param server: what the connections are counted by: address and login, never a secret
    :param most: wait while so many are taken; None: no bound
    :param timeout: how many seconds to wait
    :raises TransientError: if none became free in time
    """
    with _changed:
        free = _changed.wait_for(lambda: most is None or _taken[server] < most, timeout)
        if not free:
            raise TransientError(
                f"{server}: all {most} connections of this process were taken for {timeout:g} s; "
                "raise pool_size or pool_timeout, or run fewer imports at once"
            )
        _taken[server] += 1
    try:
        yield
    finally:
        with _changed:
            _taken[server] -= 1
            _changed.notify_all()
