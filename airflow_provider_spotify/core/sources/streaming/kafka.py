"""Imports Kafka topics exactly once: offsets live in the destination, with the rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, ClassVar, Self

from pydantic import Field, model_validator

from airflow_provider_spotify.core.sources.streaming._kafka_stream import (
    KafkaStream,
    KafkaStreamConfig,
    Name,
)


class KafkaConfig(KafkaStreamConfig):
    """What is read: topics, by name or by a pattern of names.

    By default each partition is read from the offset in the destination's cursor, and no rebalance
    of a group can take one away: every message is loaded exactly once. With ``assignment: group``
    several imports share the topics; a message is then loaded at least once, and again only if its
    partition changed hands before it was committed. Write by merge on ``_topic``, ``_partition``
    and ``_offset`` to have it once there, too.
    """

    topics: Annotated[Sequence[Name], Field(min_length=1)] = Field(
        description="names; one that begins with ^ is a regular expression"
    )
    group: Name | None = Field(
        None, description="the consumer group whose offsets follow the import, to show its lag"
    )

    @model_validator(mode="after")
    def _grouped(self) -> Self:
        if self.assignment == "group" and self.group is None:
            raise ValueError("assignment: group needs group:")
        return self


class KafkaSource(KafkaStream[KafkaConfig]):
    """Reads topics of a Kafka cluster."""

    Config = KafkaConfig
    conn_type: ClassVar[str | None] = "kafka"

    @property
    def wanted(self) -> Sequence[str]:
        """The topics, or patterns of their names."""
        return self.config.topics

    @property
    def group(self) -> str | None:
        """The consumer group that is told what was imported."""
        return self.config.group


SOURCE = KafkaSource
