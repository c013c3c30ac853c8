"""Insights of media: which metrics a kind of media has, and what to do where one is refused.

https://developers.facebook.com/docs/instagram-platform/reference/instagram-media/insights: a
metric that a kind does not have fails the whole request, so what is refused is left out and stays
null. ``impressions`` and ``plays`` ended in April 2025; ``views`` is in their place.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow_provider_spotify.core.clients.http.errors import NotFound
from airflow_provider_spotify.core.sources.api._instagram_errors import MetricRefused, NoInsights
from airflow_provider_spotify.core.sources.api._instagram_paging import edge

if TYPE_CHECKING:
    from airflow_provider_spotify.core.clients.http.client import HttpClient

_ALL = ("views", "reach", "shares", "total_interactions")
_POST = (*_ALL, "likes", "comments", "saved", "reposts")
METRICS: Mapping[str, Sequence[str]] = {
    "FEED": (*_POST, "follows", "profile_visits"),
    "REELS": (
        *_POST,
        "ig_reels_avg_watch_time",
        "ig_reels_video_view_total_time",
        "reels_skip_rate",
    ),
    "STORY": (*_ALL, "replies", "navigation", "follows", "profile_visits"),
}
"""By ``media_product_type``; another one is asked for what a post has."""
_INSTEAD = "must be one of"
_INDEX = re.compile(r"metric\[(\d+)\]")


class MediaInsights:
    """Asks for the metrics of media, and remembers what a kind of media does not have."""

    def __init__(self) -> None:
        self._refused: dict[tuple[Any, Any], set[str]] = defaultdict(set)
        self._unknown: set[str] = set()

    async def of(self, http: HttpClient, media: Mapping[str, Any]) -> dict[str, Any]:
        """Return the media with its ``metrics``, or why it is ``unavailable``.

        :raises ImporterError: what concerns more than this one media
        """
        kind = (media.get("media_product_type"), media.get("media_type"))
        known = METRICS.get(str(kind[0]), METRICS["FEED"])
        without = self._refused[kind] | self._unknown
        while asked := [metric for metric in known if metric not in without]:
            try:
                body = await http.get_json(
                    f"{media['id']}/insights", params={"metric": ",".join(asked)}
                )
            except MetricRefused as error:
                named = _named(str(error), asked)
                without |= named
                if _INSTEAD in str(error):
                    self._unknown |= named  # of this version of the API
                elif "type" in str(error):
                    self._refused[kind] |= named
            except (NoInsights, NotFound) as error:
                return {**media, "metrics": {}, "unavailable": str(error)}
            else:
                return {**media, "metrics": values(body)}
        return {**media, "metrics": {}, "unavailable": "none of the metrics is of its kind"}


def values(body: Any) -> dict[str, Any]:
    """Return the value of each metric; what the API has no figure for is left out."""
    found: dict[str, Any] = {}
    for item in edge(body):
        series = item.get("values") or [{}]
        found[item["name"]] = (item.get("total_value") or series[0]).get("value")
    return found


def _named(said: str, asked: Sequence[str]) -> set[str]:
    """Return the metrics that a refusal names, by name or number; the last one if it names none."""
    # What must be given instead is listed by name, too.
    refused = said.partition(_INSTEAD)[0]
    numbers = {int(n) for n in _INDEX.findall(refused)}
    found = {metric for at, metric in enumerate(asked) if at in numbers}
    found = found or {metric for metric in asked if re.search(rf"\b{metric}\b", refused)}
    return found or {asked[-1]}
