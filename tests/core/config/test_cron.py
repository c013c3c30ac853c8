"""Schedules are judged without a scheduler's libraries."""

from __future__ import annotations

import pytest

from airflow_provider_spotify.core.config.cron import cron_problem, timezone_problem

GOOD = [
    "@daily",
    "@Quarterly",
    "*/10 * * * *",
    "0 5 * * 1-5",
    "0 0 1,15 * *",
    "15 2-8/2 * jan,jul mon-fri",
    "0 0 L * *",
    "0 0 * * 5#2",
    "0 0 29 2 *",
    "0 0 31 2 1",
    "0 0 * * 7",
]
BAD = {
    "@dayly": "did you mean '@daily'?",
    "* * *": "has five fields",
    "0 * * * * *": "has 6",
    "60 * * * *": "'60' is not a minute (0-59)",
    "0 24 * * *": "'24' is not a hour (0-23)",
    "0 0 0 * *": "'0' is not a day of month",
    "0 0 * foo *": "'foo' is not a month",
    "0 0 * * 8": "'8' is not a day of week",
    "*/0 * * * *": "'*/0' is not a minute",
    "5/10 * * * *": "'5/10' is not a minute",
    "9-5 * * * *": "'9-5' is not a minute",
    "0 0 30 2 *": "never comes",
    "0 0 31 4,6 *": "never comes",
    "": "has 0",
}


@pytest.mark.parametrize("expression", GOOD)
def test_a_good_expression_has_no_problem(expression: str) -> None:
    assert cron_problem(expression) is None


@pytest.mark.parametrize(("expression", "words"), BAD.items())
def test_a_bad_expression_is_explained(expression: str, words: str) -> None:
    assert words in (cron_problem(expression) or "")


def test_a_time_zone_must_exist() -> None:
    assert timezone_problem("Europe/Stockholm") is None
    assert timezone_problem("Europe/Stokholm") == (
        "there is no time zone 'Europe/Stokholm'; did you mean 'Europe/Stockholm'?"
    )
    assert "write it as in" in (timezone_problem("../etc/passwd") or "")
