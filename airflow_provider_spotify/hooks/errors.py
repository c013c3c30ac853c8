"""Turns the core's errors into what Airflow does next, in this one place."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import RetryDecision, RetryPolicy
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from airflow_provider_spotify.core.errors import (
    AuthenticationError,
    BudgetSpent,
    ConfigurationError,
    DataError,
    ForbiddenError,
    NothingToDo,
    TransientError,
)

if TYPE_CHECKING:
    from airflow.sdk import Context

HOPELESS = (ConfigurationError, AuthenticationError, ForbiddenError, DataError, BudgetSpent)
"""What a retry cannot mend."""


@contextmanager
def translated() -> Iterator[None]:
    """Let the errors inside reach Airflow as it understands them.

    A transient error passes as it is: the task is retried, by ``ImportRetryPolicy`` not before
    the time that the system asked for.

    :raises AirflowFailException: for what a retry cannot mend
    :raises AirflowSkipException: where there is nothing to do
    """
    try:
        yield
    except HOPELESS as error:
        raise AirflowFailException(f"{type(error).__name__}: {error}") from error
    except NothingToDo as error:
        raise AirflowSkipException(str(error)) from error


class ImportRetryPolicy(RetryPolicy):
    """Retry a transient error when the system said it may answer again; else as the task says."""

    def evaluate(
        self,
        exception: BaseException,
        try_number: int,
        max_tries: int,
        context: Context | None = None,
    ) -> RetryDecision:
        """Read the wait from the error, or from the error that caused it."""
        error: BaseException | None = exception
        while error is not None:
            if isinstance(error, HOPELESS):
                return RetryDecision.fail(f"{type(error).__name__}: a retry cannot mend this")
            if isinstance(error, TransientError) and error.retry_after is not None:
                wait = timedelta(seconds=error.retry_after)
                return RetryDecision.retry(delay=wait, reason=f"asked to wait {wait}")
            error = error.__cause__
        return RetryDecision.default()

    def serialize(self) -> dict[str, Any]:
        """Return nothing: the policy has no settings."""
        return {}

    @classmethod
    def deserialize(cls, data: dict[str, Any]) -> ImportRetryPolicy:  # noqa: ARG003
        """Build the policy again."""
        return cls()
