"""The core's errors as Airflow's, and how long a retry waits."""

from __future__ import annotations

from datetime import timedelta

import pytest
from airflow.sdk import RetryAction
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from airflow_provider_spotify.core import errors
from airflow_provider_spotify.hooks.errors import ImportRetryPolicy, translated

RETRIED = {"TransientError", "QuotaExhausted", "Idle", "Cancelled", "ImporterError", "NothingToDo"}
EVERY = {
    name: kind
    for name, kind in vars(errors).items()
    if isinstance(kind, type) and issubclass(kind, errors.ImporterError)
}


def build(kind: type[errors.ImporterError]) -> errors.ImporterError:
    if kind is errors.MissingDependency:
        return errors.MissingDependency("duckdb", extra="all")
    return kind("what happened")


@pytest.mark.parametrize("name", sorted(EVERY.keys() - RETRIED))
def test_what_a_retry_cannot_mend_fails_the_task_and_says_why(name: str) -> None:
    error = build(EVERY[name])
    with pytest.raises(AirflowFailException, match=name) as caught, translated():
        raise error
    assert str(error) in str(caught.value)
    assert caught.value.__cause__ is error


def test_nothing_to_do_skips_the_task() -> None:
    with pytest.raises(AirflowSkipException, match="what happened"), translated():
        raise errors.NothingToDo("what happened")


@pytest.mark.parametrize("name", ["TransientError", "QuotaExhausted", "Idle", "Cancelled"])
def test_what_may_pass_reaches_airflow_as_it_is(name: str) -> None:
    error = build(EVERY[name])
    with pytest.raises(errors.ImporterError) as caught, translated():
        raise error
    assert caught.value is error


def test_retry_waits_as_long_as_the_system_asked() -> None:
    decision = ImportRetryPolicy().evaluate(errors.TransientError("busy", retry_after=42), 1, 3)
    assert (decision.action, decision.retry_delay) == (RetryAction.RETRY, timedelta(seconds=42))


def test_retry_finds_the_wait_in_the_error_that_caused_another() -> None:
    outer = RuntimeError("load failed")
    outer.__cause__ = errors.QuotaExhausted("come back", retry_after=80_000)
    decision = ImportRetryPolicy().evaluate(outer, 1, 3)
    assert decision.retry_delay == timedelta(seconds=80_000)


def test_retry_without_a_named_wait_is_the_tasks_own() -> None:
    decision = ImportRetryPolicy().evaluate(errors.TransientError("busy"), 1, 3)
    assert decision.action is RetryAction.DEFAULT


def test_error_that_no_retry_mends_is_not_retried_even_where_it_was_not_translated() -> None:
    decision = ImportRetryPolicy().evaluate(errors.AuthenticationError("refused"), 1, 3)
    assert decision.action is RetryAction.FAIL


def test_policy_survives_serialization() -> None:
    again = ImportRetryPolicy.deserialize(ImportRetryPolicy().serialize())
    assert isinstance(again, ImportRetryPolicy)
