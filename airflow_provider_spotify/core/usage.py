"""What a run has asked of an API so far, and how much it may ask for."""

from __future__ import annotations

from dataclasses import dataclass, field

from pydantic import Field

from airflow_provider_spotify.core.errors import BudgetSpent
from airflow_provider_spotify.core.model import Frozen


class Budget(Frozen):
    """The most that one run may ask of an API; without a figure there is no bound.

    :param cost: in US dollars, by the price list that the source's module names
    """

    requests: int | None = Field(None, ge=1, description="HTTP requests, repeated ones included")
    records: int | None = Field(None, ge=1, description="records that the API returns")
    cost: float | None = Field(None, gt=0, description="US dollars, for APIs with a price list")


UNLIMITED = Budget()


@dataclass(slots=True)
class Usage:
    """Counts what one run asks for; it stops where the budget ends.

    :param waited: seconds spent on limits and between attempts
    :param cost: US dollars
    """

    requests: int = 0
    retries: int = 0
    cache_hits: int = 0
    waited: float = 0.0
    records: int = 0
    cost: float = 0.0
    budget: Budget = field(default=UNLIMITED)

    def ask(self) -> None:
        """Count one request, which is about to be sent.

        :raises BudgetSpent: if there may be no more; then it is neither counted nor to be sent
        """
        most = self.budget.requests
        if most is not None and self.requests >= most:
            raise BudgetSpent(f"the budget of {most} requests for one run is spent")
        self.requests += 1

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
