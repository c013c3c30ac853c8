"""What the configuration takes for a schedule, the scheduler's own parser takes too."""

from __future__ import annotations

import pytest
from croniter import croniter

from tests.core.config.test_cron import BAD, GOOD


@pytest.mark.parametrize("expression", [e for e in GOOD if not e.startswith("@")])
def test_a_schedule_that_is_good_in_yaml_is_good_for_the_scheduler(expression: str) -> None:
    assert croniter.is_valid(expression)


def test_the_scheduler_refuses_what_the_configuration_refuses_or_means_something_else() -> None:
    """Six fields mean seconds to croniter, and ``never comes`` shows at the next run only."""
    judged = {e: croniter.is_valid(e) for e in BAD if not e.startswith("@")}
    assert {e for e, good in judged.items() if good} <= {
        "0 * * * * *",
        "5/10 * * * *",
        "9-5 * * * *",
        "0 0 30 2 *",
        "0 0 31 4,6 *",
    }
