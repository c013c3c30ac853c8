"""Moves every chunk from a source into a load, and makes it durable on the way."""

from __future__ import annotations

import logging
import threading
from collections import Counter
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING, Any, Literal

from airflow_provider_spotify.core.ahead import drain
from airflow_provider_spotify.core.config.plans import ImportPlan
from airflow_provider_spotify.core.errors import (
    BudgetSpent,
    Cancelled,
    Idle,
    TooManyRejected,
    TransientError,
)
from airflow_provider_spotify.core.flow import LANE_BYTES, Ready, flow
from airflow_provider_spotify.core.model import Window
from airflow_provider_spotify.core.pace import Pace
from airflow_provider_spotify.core.progress import Meter
from airflow_provider_spotify.core.receipts import Receipts
from airflow_provider_spotify.core.sinks.base import Load, Progress
from airflow_provider_spotify.core.sources.base import Source

if TYPE_CHECKING:
    from airflow_provider_spotify.core.transforms.chain import Chain

WhenIdle = Literal["end", "raise"]
logger = logging.getLogger("airflow_provider_spotify.imports")


class Mover:
    """The way of the chunks of one load.

    :param pace: when to make them durable, and when to end
    :param receipts: told what became visible
    """

    def __init__(
        self,
        plan: ImportPlan,
        load: Load,
        chain: Chain,
        *,
        meter: Meter,
        pace: Pace,
        receipts: Receipts,
    ) -> None:
        self._plan = plan
        self._load = load
        self._chain = chain
        self._meter = meter
        self._pace = pace
        self._receipts = receipts
        self._reached = load.done
        self._reasons: Counter[str] = Counter()
        self.stopped: str | None = None
        """Why reading ended before all was read."""

    def move(
        self,
        source: Source[Any],
        window: Window | None,
        *,
        cancel: threading.Event | None = None,
        when_idle: WhenIdle = "end",
        whole: bool = False,
    ) -> Progress:
        """Read to the end, or until the pace or the budget says so; return how far that came.

        :param when_idle: what a silent stream does: end its load, or raise Idle to go on later
        :param whole: the load is of no use unless all is read
        :raises BudgetSpent: if it is spent before the end of such a load, or before any rows came
        :raises TooManyRejected: above the plan's ``max_rejected``
        :raises TransientError, Cancelled: after what was taken has been checkpointed
        """
        stop = threading.Event()
        chunks = drain(source.read(self._load.since, window), cancel=cancel, stop=stop)
        # what a stream sends must not queue up here: the fuller it is, the larger its chunks
        lane = LANE_BYTES if self._plan.flush is None else 0
        ready = flow(chunks, self._chain, self._meter, lane=lane, patience=self._pace.patience)
        try:
            with ExitStack() as stack:
                stack.enter_context(closing(ready))
                stack.callback(stop.set)  # comes first: a source that waits must not hold us up
                for item in ready:
                    if cancel is not None and cancel.is_set():
                        raise Cancelled("the import was asked to stop while it was writing")
                    self._take(item)
                    if self._ends(when_idle):
                        break
        except (TransientError, Cancelled):
            self._load.checkpoint(self._reached)
            raise
        except BudgetSpent as error:
            self._spent(error, whole=whole)
        return self._reached

    def _spent(self, error: BudgetSpent, *, whole: bool) -> None:
        """End the load where its budget ended it, if the next one can go on there."""
        name = self._plan.dag_id
        if whole:
            raise BudgetSpent(
                f"{name}: {error}, and this load counts only as a whole (replace, a window, a full "
                "refresh or a part), so nothing was published; raise the budget, or read less"
            ) from error
        if self._reached.cursor == self._load.before:
            raise BudgetSpent(
                f"{name}: {error} before any rows came, so every run would end here; raise it"
            ) from error
        self.stopped = str(error)
        logger.warning("%s: %s; the next run goes on there", name, error)

    def _take(self, item: Ready | None) -> None:
        """Write a chunk; make what was there before it durable, or in a stream what is there now.

        The last cursor of a source that reads everything each time means "begin anew", so an
        ordinary load is never left with it: only what a later chunk follows is checkpointed.
        """
        if item is None or self._plan.flush is not None:
            if item is not None:
                self._write(item)
            self._rest()
        else:
            self._rest()
            self._write(item)

    def _rest(self) -> None:
        if not (self._load.full or self._pace.due):
            return
        with self._meter.stage("write"):
            self._load.checkpoint(self._reached)
        self._pace.rested()
        if self._load.shows:
            self._receipts.give(self._reached.cursor)

    def _ends(self, when_idle: WhenIdle) -> bool:
        if self._pace.over:
            return True
        if self._pace.silent and when_idle == "raise":
            raise Idle(f"{self._plan.dag_id}: the stream is silent; the load may go on later")
        return self._pace.silent

    def _write(self, item: Ready) -> None:
        load, meter, done = self._load, self._meter, self._load.done
        with meter.stage("write"):
            load.write(item.batch)
            for batch in item.rejected:
                load.reject(batch)
        rejected = sum(batch.num_rows for batch in item.rejected)
        meter.add(rows=item.batch.num_rows, size=item.batch.nbytes, rejected=rejected)
        self._pace.took(rows=item.batch.num_rows + rejected, size=item.batch.nbytes)
        self._reached = Progress(
            item.cursor,
            item.schema,
            done.rows + meter.rows,
            done.rejected + meter.rejected,
            newest=item.newest,
        )
        self._bound(item)

    def _bound(self, item: Ready) -> None:
        """Stop a load that rejects more rows than the plan allows, and say why they were."""
        for batch in item.rejected:
            self._reasons.update(batch.column("reason").to_pylist())
        done, most = judged(self._reached, self._load), self._plan.max_rejected
        if most is not None and done.rejected > most:
            common = "; ".join(f"{n} x {reason}" for reason, n in self._reasons.most_common(3))
            raise TooManyRejected(
                f"{self._plan.dag_id}: {done.rejected} of {done.rows + done.rejected} rows were "
                f"rejected, more than max_rejected: {most}. Most often: {common}. "
                "Mend the data or the contract, or raise max_rejected."
            )


def judged(done: Progress, load: Load) -> Progress:
    """Return the progress with the rows that the sink could not hold counted as rejected."""
    refused = load.refused
    return done._replace(rows=done.rows - refused, rejected=done.rejected + refused)
