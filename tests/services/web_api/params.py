"""Reads the parameters of a request as strictly as an API does."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from typing import NoReturn

Refuse = Callable[[int, str], Exception]


class Query:
    """Parameters, each asked for by name and type; what is left over is refused by ``done``.

    :param given: names and texts: ``request.query``, or a form
    :param refuse: makes the API's error from status and message: ``api.error``
    """

    def __init__(self, given: Mapping[str, str], *, refuse: Refuse, status: int = 400) -> None:
        self._given = given
        self._refuse = refuse
        self._status = status
        self._known: set[str] = set()

    def text(self, name: str, default: str | None = None, *, pattern: str = ".*") -> str | None:
        """Return a text that matches ``pattern`` as a whole; ``default`` where it is not given."""
        self._known.add(name)
        value = self._given.get(name)
        if value is None:
            return default
        if not re.fullmatch(pattern, value, re.DOTALL):
            self.wrong(name, value)
        return value

    def needed(self, name: str, *, pattern: str = ".+") -> str:
        """Return a text that must be given."""
        value = self.text(name, pattern=pattern)
        if value is None:
            raise self._refuse(self._status, f"Missing required parameter: {name}")
        return value

    def integer(self, name: str, default: int, *, low: int = 0, high: int = 2**31 - 1) -> int:
        """Return a whole number between two bounds, both included."""
        value = self.text(name, pattern=r"-?\d{1,18}")
        number = default if value is None else int(value)
        if value is not None and not low <= number <= high:
            self.wrong(name, value)
        return number

    def boolean(self, name: str, default: bool = False) -> bool:
        """Return ``true`` or ``false``."""
        return self.text(name, str(default).lower(), pattern="true|false") == "true"

    def choice(self, name: str, allowed: Collection[str], default: str | None = None) -> str | None:
        """Return one of the allowed texts."""
        value = self.text(name, default)
        if value is not None and value not in allowed:
            self.wrong(name, value)
        return value

    def several(self, name: str, allowed: Collection[str] | None = None) -> list[str]:
        """Return the texts of a list with commas; each must be allowed."""
        value = self.text(name) or ""
        found = [each for each in value.split(",") if each]
        if allowed is not None and (bad := [each for each in found if each not in allowed]):
            self.wrong(name, bad[0])
        return found

    def time(self, name: str) -> datetime | None:
        """Return an ISO 8601 time."""
        value = self.text(name)
        if value is None:
            return None
        try:
            return datetime.fromisoformat(value)
        except ValueError:
            self.wrong(name, value)

    def done(self) -> None:
        """Refuse every parameter that was not asked for."""
        if unknown := sorted(set(self._given) - self._known):
            raise self._refuse(self._status, f"Unknown parameter: {unknown[0]}")

    def wrong(self, name: str, value: str) -> NoReturn:
        """Refuse a value."""
        raise self._refuse(self._status, f"Invalid value for {name}: {value[:60]}")
