"""The keys of a Segment import."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from airflow_provider_spotify.core.sources.analytics._segment_resources import (
    RESOURCES,
    ResourceName,
)
from airflow_provider_spotify.core.sources.web.config import WebConfig
from airflow_provider_spotify.core.sources.web.keys import KeysFrom

Name = Annotated[str, Field(pattern=r"^[^/\s]+$")]


class SegmentConfig(WebConfig):
    """The keys of ``source: {type: segment, …}``."""

    resource: ResourceName = Field(description="what is read; decides the columns")
    region: Literal["us", "eu"] = Field("us", description="where the workspace is")
    path: str | None = Field(
        None, description="events: where segment-logs lies, such as s3://acme-segment"
    )
    sources: tuple[Name, ...] = Field(
        ("*",), min_length=1, description="events: ids of the Segment sources; all by default"
    )
    files: tuple[str, ...] = Field(
        (), description="events: only these files, as the parts of a load name them"
    )
    space: Name | None = Field(
        None, description="profiles: id of the space; by default the connection's"
    )
    collection: Literal["users", "accounts"] = Field("users", description="profiles: of whom")
    profiles: tuple[Annotated[str, Field(pattern=r"^[^:\s]+:.+$")], ...] = Field(
        (), description="profiles: external ids with their type, such as user_id:97980cfea0067"
    )
    profiles_from: KeysFrom | None = Field(
        None, description="profiles: read the external ids from a table of this destination"
    )
    plans: tuple[str, ...] = Field((), description="tracking_plan_rules: ids of tracking plans")

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.resource == "events":
            if not self.path:
                raise ValueError("events needs path: where the folder segment-logs lies")
            return self
        key = RESOURCES[self.resource].key
        if key and not getattr(self, key) and not getattr(self, f"{key}_from", None):
            raise ValueError(f"{self.resource} needs {key}")
        return self
