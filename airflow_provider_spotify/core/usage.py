"""What a run has asked of an API so far, and how much it may ask for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pydantic import Field

from airflow_provider_spotify.core.errors import BudgetSpent
from airflow_provider_spotify.core.model import Frozen


class Budget(Frozen):
    """The most that one run may ask of an API; without a figure there is no bound.

    A run that has spent it publishes what came until then and succeeds, and the next one goes on
    there. A load that counts only as a whole (``replace``, a window, a full refresh) fails instead,
    and publishes nothing.

    :param cost: in US dollars, by the price list that the source's module names
    """

    requests: int | None = Field(None, ge=1, description="HTTP requests, repeated ones included")
    records: int | None = Field(None, ge=1, description="records that the API returns")
    cost: float | None = Field(None, gt=0, description="US dollars, for APIs with a price list")


UNLIMITED = Budget()


class Estimate(Frozen):
    """What a run is going to ask for; None where that is not known.

    :param cost: US dollars, by the price list that the source's module names
    :param exact: the system was asked for a count; otherwise the figures are bounds or guesses
    """

    requests: int | None = None
    records: int | None = None
    cost: float | None = None
    exact: bool = False


@dataclass(slots=True)
class Usage:
    """Counts what one run asks for; it stops where the budget ends.

    :param requests: those that went out, also where a dropped connection had one sent again, and
        also where the system dropped it before it could read the request
    :param retries: those of them that followed a failed attempt, after a wait
    :param cache_hits: answers that were kept and not asked for
    :param revalidated: answers that were asked for, and are what was kept (304)
    :param waited: seconds spent on limits and between attempts
    :param cost: US dollars
    """

    requests: int = 0
    retries: int = 0
    cache_hits: int = 0
    revalidated: int = 0
    waited: float = 0.0
    records: int = 0
    cost: float = 0.0
    budget: Budget = field(default=UNLIMITED)

    def facts(self) -> dict[str, float]:
        """Return the counts for a report: nothing of a source that asked for nothing."""
        if not (self.requests or self.cache_hits or self.records):
            return {}
        return {
            "requests": self.requests,
            "retries": self.retries,
            "cache_hits": self.cache_hits,
            "revalidated": self.revalidated,
            "waited": round(self.waited, 3),
            "records": self.records,
            "cost": round(self.cost, 6),
        }

    def ask(self) -> None:
        """Count one request, which is about to be sent.

        :raises BudgetSpent: if there may be no more; then it is neither counted nor to be sent
        """
        most = self.budget.requests
        if most is not None and self.requests >= most:
            raise BudgetSpent(f"the budget of {most} requests for one run is spent")
        self.requests += 1

    def unsent(self) -> None:
        """Take back a request that was counted and found no connection."""
        self.requests -= 1

    def charge(self, records: int, *, price: float = 0.0) -> None:
        """Count records that came.

        :param price: US dollars of one record
        """
        self.records += records
        self.cost += records * price

    def room(self, *, price: float = 0.0) -> int | None:
        """Return how many more records may be asked for; None: as many as there are.

        :raises BudgetSpent: if there may be none
        """
        rooms = []
        if (most := self.budget.records) is not None:
            rooms.append((most - self.records, f"{most} records"))
        if (cost := self.budget.cost) is not None and price:
            # A hundred prices of 0.005 are a little more than 0.5: count in millionths.
            left = round((cost - self.cost) * 1e6) // max(1, round(price * 1e6))
            rooms.append((left, f"{cost:g} US dollars"))
        if not rooms:
            return None
        left, of = min(rooms)
        if left <= 0:
            raise BudgetSpent(f"the budget of {of} for one run is spent")
        return left


def usage_text(facts: Mapping[str, float]) -> str:
    """Say the counts of a report in words; a dash where a source asked for nothing."""
    if not facts:
        return "-"
    said = [
        f"{facts.get('requests', 0):,.0f} requests ({facts.get('retries', 0):,.0f} again)",
        f"{facts.get('cache_hits', 0):,.0f} from cache",
        f"{facts.get('revalidated', 0):,.0f} confirmed",
        f"{facts.get('waited', 0):,.1f} s waited",
        f"{facts.get('records', 0):,.0f} records",
    ]
    if cost := facts.get("cost"):
        said.append(f"{cost:,.2f} US dollars")
    return ", ".join(said)


def limits_text(figures: Budget | Estimate) -> str:
    """Say a budget or an estimate in words; a dash where nothing is bounded or known."""
    said = []
    if figures.requests is not None:
        said.append(f"{figures.requests:,} requests")
    if figures.records is not None:
        said.append(f"{figures.records:,} records")
    if figures.cost is not None:
        said.append(f"{figures.cost:,.2f} US dollars")
    return ", ".join(said) or "-"
