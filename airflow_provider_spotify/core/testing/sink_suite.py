"""What the parts of the sinks' suite share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import pytest

from airflow_provider_spotify.core.sinks.base import Sink

MODES = ("append", "replace", "merge", "scd2")


class SinkSuite(ABC):
    """A suite over one sink."""

    @abstractmethod
    def make_sink(self) -> Sink[Any]:
        """Return a sink whose destination holds nothing yet."""

    @pytest.fixture
    def sink(self) -> Sink[Any]:
        """Give the sink under test."""
        return self.make_sink()
