"""Brings what Pulsar's C++ client logs to Python's logging, by a pipe and a thread that reads it.

The library takes a Python logger, too, but calls it in threads of its own: of six processes that
ended soon after an error two were aborted (SIGABRT) while Python shut down, with a file none of
eighteen (pulsar-client 3.13, 2026-11-22). The first client of a process decides for all of them.
"""

from __future__ import annotations

import logging
import os
import re
import threading
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pulsar

log = logging.getLogger(__name__)

_LINE = re.compile(r"\S+ \S+ (\w+) +\[\d+\] (.*)", re.DOTALL)
# it calls an error what it then tries again
_LEVELS = {"ERROR": logging.WARNING, "WARN": logging.INFO}


@cache
def logger() -> pulsar.FileLogger:
    """Return what takes the lines of this process's clients, warnings and above."""
    import pulsar

    ours, theirs = os.pipe()
    threading.Thread(target=_pass_on, args=(ours,), name="pulsar-log", daemon=True).start()
    return pulsar.FileLogger(pulsar.LoggerLevel.Warn, f"/dev/fd/{theirs}")


def _pass_on(source: int) -> None:
    with os.fdopen(source, encoding="utf-8", errors="replace") as lines:
        for line in lines:
            found = _LINE.match(line.rstrip())
            level = _LEVELS.get(found[1], logging.DEBUG) if found else logging.DEBUG
            log.log(level, "%s", found[2] if found else line.rstrip())
