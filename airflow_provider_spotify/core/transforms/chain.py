"""Puts the transforms of one import in a row: contract, quality, privacy."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import pyarrow as pa

from airflow_provider_spotify.core.config.plans import ImportPlan
from airflow_provider_spotify.core.errors import DataError
from airflow_provider_spotify.core.transforms.contract import Contract
from airflow_provider_spotify.core.transforms.detect import Detector
from airflow_provider_spotify.core.transforms.privacy import Privacy, Sealer
from airflow_provider_spotify.core.transforms.profile import Profile
from airflow_provider_spotify.core.transforms.quality import Quality

logger = logging.getLogger(__name__)


class Shaped(NamedTuple):
    """Rows ready for the table, and what was rejected on the way, sealed."""

    batch: pa.RecordBatch
    rejected: Sequence[pa.RecordBatch]


class Chain:
    """The transforms of one load, with what they learnt so far.

    :param known: the contract's schema as last committed
    :param textual: the source gives text only; the contract finds the types
    :param key: the tenant's key
    :param newest: what the quality checks had seen in earlier attempts of the load
    """

    def __init__(
        self,
        plan: ImportPlan,
        *,
        known: pa.Schema | None,
        textual: bool,
        key: bytes | None,
        newest: Mapping[str, str] | None = None,
    ) -> None:
        columns = plan.contract.columns
        self.contract = Contract(plan.contract, known=known, textual=textual)
        self.quality = Quality(plan.quality, newest=newest)
        self.privacy = Privacy(columns, key=key)
        self.profile = Profile()
        self._name = plan.dag_id
        self._pii = plan.pii.undeclared
        self._detector = Detector({name for name, column in columns.items() if column.pii})
        self._sealer = Sealer(columns, key)
        self._told: set[str] = set()

    @property
    def undeclared(self) -> Mapping[str, str]:
        """Columns that look personal and do not say so, and what they look like."""
        return dict(self._detector.found)

    def apply(self, batch: pa.RecordBatch, *, rejected: pa.RecordBatch | None = None) -> Shaped:
        """Shape one batch.

        :param rejected: records that the source could not turn into rows
        :raises ContractViolation: if the contract is frozen and the data differs
        :raises DataError: if undeclared personal data appears and the plan says ``fail``
        """
        agreed = self.contract.apply(batch)
        if self._pii != "ignore":
            self._detect(agreed.batch)
        good = self.quality.apply(agreed.batch)
        masked = self.privacy.apply(good.batch)
        self.profile.observe(masked)
        aside = [part for part in (rejected, agreed.rejected, good.rejected) if part is not None]
        return Shaped(masked, [self._sealer.seal(part) for part in aside if part.num_rows])

    def _detect(self, batch: pa.RecordBatch) -> None:
        self._detector.observe(batch)
        fresh = {c: kind for c, kind in self._detector.found.items() if c not in self._told}
        if not fresh:
            return
        self._told |= fresh.keys()
        said = ", ".join(f"{column} looks like {kind}" for column, kind in sorted(fresh.items()))
        message = f"{self._name}: {said}; declare it in contract.columns with pii: (keep, if meant)"
        if self._pii == "fail":
            raise DataError(message)
        logger.warning(message)
