"""What every source of a web API must survive: subclass, name its server, and pytest plays faults.

::

    class TestPlaysFaults(WebFaults):
        data = r"^/v1/plays"                      # the paths of data pages; not the token's

        @pytest.fixture(autouse=True)
        def _serve(self):
            with PlaysApi() as self.server:
                yield

        def upstream(self) -> str:
            return self.server.url

        def make_source(self, url: str) -> PlaysSource:
            return PlaysSource(PlaysConfig(base_url=url, timeout="2s", retry_attempts=2), …)

A proxy stands between source and server and breaks the answer to the first, a middle and the last
data page, once (``passing``) or from then on (``lasting``). Each reading must end with the same
rows as an undisturbed one, or with an error of the house after which the last cursor brings exactly
the missing rows. Give the source small chunks, at least four pages, ``timeout`` two seconds and
two ``retry_attempts``, or the suite takes minutes; where no fault waits for the timeout, the suite
makes it longer, for a busy machine.
"""

from __future__ import annotations

import json
import logging
import traceback
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any, ClassVar, NamedTuple

import pytest

from airflow_provider_spotify.core.clients.http.limits import forget_limits
from airflow_provider_spotify.core.clients.oauth.grants import forget_tokens
from airflow_provider_spotify.core.errors import ImporterError
from airflow_provider_spotify.core.testing.sources import AnySource, rows_of
from airflow_provider_spotify.core.testing.web_answers import BOMB_BYTES, Kind
from airflow_provider_spotify.core.testing.web_proxy import FaultProxy, Stranger, secrets_in
from airflow_provider_spotify.core.testing.web_readings import (
    Attempt,
    Lines,
    attempt,
    peak,
    secrets_of,
)

MENDED: tuple[Kind, ...] = (
    "rate", "rate_after", "rate_date", "unavailable", "gateway", "cut_length", "cut_chunked",
    "cut_gzip", "cut_close", "reset", "drop", "drip", "stall", "hang",
)  # fmt: skip
"""What another attempt mends: where it passes, reading is complete."""
WRONG: tuple[Kind, ...] = (
    "html", "empty", "null", "list", "object", "error_body", "unauthorised", "expired_page",
)  # fmt: skip
"""What no attempt need mend: complete, or an error, but never the end of the data."""
EVER = 1_000_000
"""Times that a lasting fault strikes."""
_SILENT: tuple[Kind, ...] = ("stall", "hang")
"""What only the source's timeout ends."""
_PATIENCE = timedelta(seconds=60)
"""For a request that nothing holds up: a busy machine is no fault."""
_SILENCE = timedelta(seconds=8)
"""For one that is held up until its timeout, and for the next attempt, which is not."""


class Undisturbed(NamedTuple):
    """What a reading without faults gives, and how many data requests it makes."""

    rows: Counter[str]
    pages: int
    chunks: int


class WebFaults(ABC):
    """The suite; each method states one behaviour."""

    data: ClassVar[str] = ".*"
    """A regular expression that the paths of data pages match."""
    excused: ClassVar[Mapping[str, str]] = {}
    """Kinds of faults that by the API's contract nobody can tell from good data, and why."""
    error_bodies: ClassVar[Sequence[Any]] = (
        {"error": {"code": 500, "message": "backend failed"}},
        {"errors": [{"message": "backend failed"}]},
    )
    """Errors as this API sends them with status 200."""
    streams: ClassVar[bool] = False
    """The body is read while it comes, so that no attempt can mend what breaks within it."""
    restarts: ClassVar[str | None] = None
    """Why the listing is read from its start again where its page token has ended."""
    identity: ClassVar[Sequence[str]] = ()
    """Columns that tell rows apart; other columns may change while pages shift."""
    alone: ClassVar[bool] = True
    """Where a page is served twice, the source makes one request at a time, for of several under
    way none is before the other. False: its keys' first pages are asked for together, as nothing
    tells the last page of one key from the first of the next."""
    most_memory: ClassVar[int] = 640 * 2**20
    """Bytes that a gzip bomb may cost."""
    _known: ClassVar[dict[type, Undisturbed]] = {}

    @abstractmethod
    def upstream(self) -> str:
        """Return the address of a server that keeps the API's contract."""

    @abstractmethod
    def make_source(self, url: str) -> AnySource:
        """Return a source that reads from an address; the same data at each call."""

    def insert(self) -> object | None:
        """Add a record where it moves the later pages, as the API would; None: it cannot."""
        return None

    def delete(self) -> object | None:
        """Delete a record of the first page, as the API would; None: it cannot."""
        return None

    # ---- the faults --------------------------------------------------------------------------

    @pytest.mark.parametrize("kind", MENDED)
    def test_what_passes_costs_no_row(self, kind: Kind) -> None:
        """After one broken answer at the first, a middle and the last page, nothing is missing."""
        self._excuse(kind)
        strict = not self.streams
        self._together(kind, times=1, complete=strict)

    @pytest.mark.parametrize("kind", [k for k in MENDED if k != "drip"])
    def test_what_lasts_leaves_a_usable_cursor(self, kind: Kind) -> None:
        """It ends with an error of the house; later the cursor brings exactly the rest."""
        self._excuse(kind)
        # A short wait that is asked for again and again is waited for; a long one ends the run.
        long = kind in ("rate_after", "rate_date")
        how: dict[str, Any] = {"headers": {"Retry-After": "7200"}} if long else {}
        self._together(kind, times=EVER, **how)

    @pytest.mark.parametrize("kind", WRONG)
    def test_what_is_wrong_is_never_the_end(self, kind: Kind) -> None:
        """A page of another sort, once or for good, is mended or an error, not the last page."""
        self._excuse(kind)
        bodies = self.error_bodies if kind == "error_body" else (None,)
        for body in bodies:
            self._together(kind, times=1, body=body)
            self._together(kind, times=EVER, body=body)

    def test_a_page_served_twice_hides_nothing(self) -> None:
        """Where a page is answered with the one before it, no row is lost or given twice."""
        self._excuse("duplicate")
        self._together("duplicate", times=1, first=False)

    def test_a_bomb_is_refused_in_bounded_memory(self) -> None:
        """A few MB that unpack to a gibibyte end in an error long before they fill the memory."""
        self._excuse("bomb")
        for page in sorted({0, self._undisturbed().pages // 2}):
            with peak() as most:
                self._play("bomb", page, times=1)
            assert most[0] < self.most_memory, (
                f"{most[0] / 2**20:.0f} MiB for a bomb of {BOMB_BYTES / 2**20:.0f} MiB"
            )

    @pytest.mark.parametrize("kind", ["redirect", "redirect_https"])
    def test_another_host_learns_no_secret(self, kind: Kind) -> None:
        """A redirect to another host takes no header, parameter or body with credentials there."""
        self._excuse(kind)
        with Stranger() as stranger:
            for to in (stranger.other_url, stranger.url):
                self._together(kind, times=EVER, to=to)
            told = "\n".join(each.text for each in stranger.asked)
        assert not [s for s in self._secrets if s in told], "the other host was told a secret"

    def test_a_page_token_that_has_ended_loses_nothing(self) -> None:
        """Resuming where the page token is refused as expired (400) ends in an error, or anew.

        What is read again then is allowed only where the source says that it rereads, or the suite
        is told that its listing ``restarts``.
        """
        self._excuse("expired_page")
        with FaultProxy(self.upstream(), data=self.data) as proxy:
            chunks = attempt(self._patient(proxy.url)).chunks
            half = Attempt(chunks[: max(1, len(chunks) // 2)], None)
            rest = rows_of(chunks[len(half.chunks) :])
            proxy.fault("expired_page")
            source = self._patient(proxy.url)
            found = attempt(source, half.cursor)
            if found.error is not None:
                self._clear(found.error, source, proxy)
                proxy.heal()
                later = attempt(self._patient(proxy.url), found.cursor or half.cursor)
                found = Attempt(found.chunks + later.chunks, later.error)
        assert found.error is None, found.error
        rows = rows_of(found.chunks)
        if self.restarts:
            rows &= rest
        self._same(rows, rest, source, "after an expired page token")

    @pytest.mark.parametrize("what", ["insert", "delete"])
    def test_pages_that_shift_lose_nothing(self, what: str) -> None:
        """Every row that was there throughout comes exactly once, or there is an error."""
        self._excuse(what)
        with FaultProxy(self.upstream(), data=self.data) as proxy:
            before = self._rows(attempt(self._patient(proxy.url)))
            done: list[object | None] = []
            proxy.then(lambda: done.append(getattr(self, what)()))
            source = self._patient(proxy.url)
            found = attempt(source)
            assert done, "nothing was asked for"
            if done[0] is None:
                pytest.skip(f"{what} does nothing")
            after = self._rows(attempt(self._patient(proxy.url)))
            if found.error is not None:
                self._clear(found.error, source, proxy)
                return
        stayed = before & after
        got = self._rows(found)
        wrong = {row: got[row] for row in stayed if got[row] != stayed[row]}
        if source.rereads():
            wrong = {row: count for row, count in wrong.items() if count < stayed[row]}
        assert not wrong, f"{what}: rows that stayed, and how often they came: {_some(wrong)}"

    # ---- how they are played -----------------------------------------------------------------

    @pytest.fixture(autouse=True)
    def _listen(self) -> Iterator[None]:
        """Keep every log line; none may hold a secret."""
        # What was learned of a port is of the server that had it: it may be another's by now.
        forget_limits()
        forget_tokens()
        self._secrets: set[str] = set()
        lines: list[str] = []
        handler = Lines(lines)
        logger = logging.getLogger("airflow_provider_spotify")
        level = logger.level
        logger.addHandler(handler)
        logger.setLevel(logging.DEBUG)
        try:
            yield
        finally:
            logger.removeHandler(handler)
            logger.setLevel(level)
            forget_limits()
        leaks = [line for line in lines for secret in self._secrets if secret in line]
        assert not leaks, f"{len(leaks)} log lines hold a secret"

    def _undisturbed(self) -> Undisturbed:
        known = WebFaults._known.get(type(self))
        if known is None:
            with FaultProxy(self.upstream(), data=self.data) as proxy:
                whole = attempt(self._patient(proxy.url))
                if whole.error is not None:
                    raise whole.error
                known = Undisturbed(rows_of(whole.chunks), proxy.pages, len(whole.chunks))
            assert known.pages >= 3, f"{known.pages} data requests: give more data, smaller pages"
            assert known.chunks >= 2, "one chunk only: give smaller chunks"
            WebFaults._known[type(self)] = known
        return known

    def _together(self, kind: Kind, *, first: bool = True, **how: Any) -> None:
        """Play at the first, a middle and the last page, at the same time."""
        pages = self._undisturbed().pages
        at = sorted({*([0] if first else []), pages // 2, pages - 1})
        with ThreadPoolExecutor(len(at)) as pool:
            for done in [pool.submit(self._play, kind, page, **how) for page in at]:
                done.result()

    def _play(
        self, kind: Kind, page: int, *, times: int, complete: bool = False, **how: Any
    ) -> None:
        whole = self._undisturbed().rows
        said = f"{kind} {'lasting' if times == EVER else 'passing'} at page {page}"
        with FaultProxy(self.upstream(), data=self.data) as proxy:
            fault = proxy.fault(kind, after=page, times=times, **how)
            silent = timedelta(0) if times == EVER else _SILENCE
            source = self._patient(proxy.url, most=silent if kind in _SILENT else _PATIENCE)
            if kind == "duplicate" and self.alone:
                _set(source, concurrency=1)
            found = attempt(source)
            self._secrets |= secrets_in(proxy.asked) | secrets_of(source)
            assert fault.struck, f"{said}: never played; reading ended before: {found.error}"
            if found.error is None:
                self._same(rows_of(found.chunks), whole, source, said)
                return
            self._clear(found.error, source, proxy)
            if complete:
                raise AssertionError(f"{said}: one more attempt mends it") from found.error
            proxy.heal()
            forget_limits()
            rest = attempt(self._patient(proxy.url), found.cursor)
        if rest.error is not None:
            raise AssertionError(f"{said}: the cursor does not go on: {rest.error}")
        rows = rows_of(found.chunks) + rows_of(rest.chunks)
        self._same(rows, whole, source, f"{said}, resumed after {found.error}")

    def _patient(self, url: str, *, most: timedelta = _PATIENCE) -> AnySource:
        """Return a source whose requests may take so long, or as long as its own ``timeout``."""
        source = self.make_source(url)
        if (own := getattr(source.config, "timeout", None)) is not None:
            _set(source, timeout=max(own, most))
        return source

    @staticmethod
    def _same(found: Counter[str], whole: Counter[str], source: AnySource, said: str) -> None:
        lost, extra = whole - found, found - whole
        assert not lost, f"{said}: {lost.total()} rows are lost: {_some(lost)}"
        if source.rereads():
            extra = Counter({row: count for row, count in extra.items() if row not in whole})
        assert not extra, f"{said}: {extra.total()} rows too many: {_some(extra)}"

    def _clear(self, error: BaseException, source: AnySource, proxy: FaultProxy) -> None:
        """Make sure that an error is one of the house, says something, and holds no secret."""
        if not isinstance(error, ImporterError):
            pytest.fail(f"{type(error).__name__} is no error of the house: {error}")
        assert 20 <= len(str(error)) <= 2000, f"it says too little or too much: {error}"
        self._secrets |= secrets_in(proxy.asked) | secrets_of(source)
        shown = [*traceback.format_exception(error), repr(error), repr(source)]
        leaks = sum(secret in text for text in shown for secret in self._secrets)
        assert not leaks, f"{type(error).__name__} holds a secret"

    def _rows(self, found: Attempt) -> Counter[str]:
        if not self.identity:
            return rows_of(found.chunks)
        rows: Counter[str] = Counter()
        for chunk in found.chunks:
            for row in chunk.batch.select(list(self.identity)).to_pylist():
                rows[json.dumps(row, sort_keys=True, default=str)] += 1
        return rows

    def _excuse(self, kind: str) -> None:
        if reason := self.excused.get(kind):
            pytest.skip(f"{kind}: {reason}")


def _some(rows: Iterable[Any], most: int = 3) -> list[Any]:
    return list(rows)[:most]


def _set(source: AnySource, **keys: object) -> None:
    """Change keys of a source's config, of those that it has."""
    known = {
        name: value for name, value in keys.items() if name in type(source.config).model_fields
    }
    source.config = source.config.model_copy(update=known)
