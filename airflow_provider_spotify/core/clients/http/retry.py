"""When an HTTP request is tried again, and how long it waits before that."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, TypeVar

from airflow_provider_spotify.core.clients.http.errors import NotSent, RateLimited, ServerError
from airflow_provider_spotify.core.errors import QuotaExhausted, TransientError
from airflow_provider_spotify.core.usage import Usage

if TYPE_CHECKING:
    from tenacity import RetryCallState
    from tenacity.wait import wait_base

T = TypeVar("T")
Pause = Callable[[float], Awaitable[None]]
_SHORTEST = 0.2
"""Seconds; a system that asks to wait 0 seconds is not asked again at once."""


@cache
def _backoff() -> wait_base:
    """Return exponential waits with full jitter: up to 0.5, 1, 2 … 30 seconds."""
    from tenacity.wait import wait_random_exponential

    return wait_random_exponential(multiplier=0.5, max=30)


class _Patience:
    """How much one request may still be repeated.

    A wait that the system asked for is no failed attempt: it counts against ``max_wait``
    instead, together with the earlier ones of the same request.
    """

    def __init__(
        self,
        *,
        attempts: int,
        server_error_attempts: int | None,
        max_wait: float,
        idempotent: bool,
        usage: Usage,
        pause: Pause,
    ) -> None:
        self._attempts = attempts
        self._server_attempts = server_error_attempts or attempts
        self._max_wait = max_wait
        self._idempotent = idempotent
        self._usage = usage
        self._pause = pause
        self._failed = 0
        self._server_failed = 0
        self._waited = 0.0

    def again(self, error: BaseException) -> bool:
        """Say whether this error may be followed by another attempt.

        :raises QuotaExhausted: if the waits asked for add up to more than ``max_wait``
        """
        if not isinstance(error, TransientError) or isinstance(error, QuotaExhausted):
            return False
        if not (self._idempotent or isinstance(error, NotSent | RateLimited)):
            return False
        if error.retry_after is not None:
            self._waited += max(error.retry_after, _SHORTEST)
            if self._waited > self._max_wait:
                raise QuotaExhausted(
                    f"{error}; it was waited for {self._max_wait:.0f} s in all",
                    retry_after=error.retry_after,
                ) from None
            return True
        self._failed += 1
        self._server_failed += isinstance(error, ServerError)
        return self._failed < self._attempts and self._server_failed < self._server_attempts

    def wait(self, state: RetryCallState) -> float:
        """Return the seconds until the next attempt."""
        error = state.outcome.exception() if state.outcome else None
        asked = error.retry_after if isinstance(error, TransientError) else None
        if asked is None:
            return (
                max(_SHORTEST, _backoff()(state))
                if isinstance(error, RateLimited)
                else _backoff()(state)
            )
        return max(asked, _SHORTEST)

    async def before(self, state: RetryCallState) -> None:
        """Count the wait; what was told to slow down holds back every request of its key."""
        seconds = state.next_action.sleep if state.next_action else 0.0
        self._usage.retries += 1
        self._usage.waited += seconds
        if state.outcome and isinstance(state.outcome.exception(), RateLimited):
            await self._pause(seconds)


async def persistently(
    attempt: Callable[[], Awaitable[T]],
    *,
    attempts: int,
    server_error_attempts: int | None = None,
    max_wait: float,
    idempotent: bool,
    usage: Usage,
    pause: Pause,
) -> T:
    """Run ``attempt`` until it succeeds, fails for good, or ``attempts`` are used up.

    A request that may have been carried out is repeated only if it is ``idempotent``.

    :param server_error_attempts: how many of the attempts may end in an error of the system (5xx)
    :param max_wait: seconds that one request may spend in waits which the system asked for
    :param pause: holds back the other requests of the same key for so many seconds
    """
    try:
        return await attempt()  # tenacity would take 0.1 ms of CPU for it (2026-11-22)
    except TransientError as error:
        failed: list[TransientError] = [error]
    patience = _Patience(
        attempts=attempts,
        server_error_attempts=server_error_attempts,
        max_wait=max_wait,
        idempotent=idempotent,
        usage=usage,
        pause=pause,
    )
    from tenacity import AsyncRetrying, retry_if_exception

    retrying = AsyncRetrying(
        wait=patience.wait,
        retry=retry_if_exception(patience.again),
        before_sleep=patience.before,
        reraise=True,
    )

    async def once() -> T:
        if failed:
            raise failed.pop()
        return await attempt()

    return await retrying(once)


@contextmanager
def before_sending() -> Iterator[None]:
    """Mark what fails here as safe to repeat: the request itself has done nothing yet."""
    try:
        yield
    except TransientError as error:
        raise NotSent(str(error), retry_after=error.retry_after) from None
