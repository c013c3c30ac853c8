"""Insights of the server: metrics by kind of media, and an account's figures by day.

https://developers.facebook.com/docs/instagram-platform/reference/instagram-media/insights,
https://developers.facebook.com/docs/instagram-platform/api-reference/instagram-user/insights
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from tests.services.instagram_api.state import ACCOUNT, Json

if TYPE_CHECKING:
    from tests.services.instagram_api.server import InstagramApi
    from tests.services.web_api.params import Query

_ALL = {"views", "reach", "shares", "total_interactions"}
OF_MEDIA = {
    "FEED": _ALL | {"comments", "likes", "saved", "follows", "profile_visits", "profile_activity",
                    "reposts"},
    "REELS": _ALL | {"comments", "likes", "saved", "ig_reels_avg_watch_time", "reposts",
                     "ig_reels_video_view_total_time", "reels_skip_rate"},
    "STORY": _ALL | {"replies", "navigation", "follows", "profile_visits", "profile_activity"},
}  # fmt: skip
KNOWN = set().union(*OF_MEDIA.values())
SERIES = {"reach", "follower_count"}
TOTALS = {"accounts_engaged", "comments", "follows_and_unfollows", "likes", "profile_links_taps",
          "reach", "replies", "saves", "shares", "total_interactions", "views"}  # fmt: skip
BREAKDOWNS = {"media_product_type", "follow_type", "contact_button_type"}
_LOS_ANGELES = ZoneInfo("America/Los_Angeles")
_DAY = 24 * 3600


class Insights:
    """What ``/insights`` answers.

    :ivar refused: kinds and metrics that are refused although they are documented
    :ivar few: ids of stories that too few have seen
    :ivar known: names that are metrics at all, by the API's version
    :ivar bonus: what is added to the figures of media
    """

    def __init__(self, api: InstagramApi) -> None:
        self._api = api
        self.refused: set[tuple[str, str]] = set()
        self.few: set[str] = set()
        self.known = set(KNOWN)
        self.bonus = 0

    def of(self, node: str, query: Query) -> Any:
        """Answer for an account or one of its media."""
        if node in ("me", ACCOUNT):
            return self._of_account(query)
        data = self._api.data
        media = {each["id"]: each for each in [*data.media, *data.stories]}
        if node not in media:
            raise self._api.gone(node)
        return self._of_media(media[node], query)

    def _of_media(self, media: Json, query: Query) -> Json:
        error = self._api.error
        asked = query.needed("metric").split(",")
        query.done()
        for at, metric in enumerate(asked):
            if metric not in self.known:
                raise error(400, f"(#100) metric[{at}] must be one of the following values: "
                            + ", ".join(sorted(self.known)))  # fmt: skip
        if media["id"] in self._api.data.converted:
            raise error(400, "Invalid parameter", code=100, error_subcode=2108006,
                        error_user_msg="The media was posted before the most recent time that the "
                        "account was converted to a business account")  # fmt: skip
        if media["id"] in self.few:
            raise error(403, "(#10) Not enough viewers for the media to show insights")
        kind = media["media_product_type"]
        for metric in asked:
            if metric not in OF_MEDIA[kind] or (kind, metric) in self.refused:
                raise error(400, f"(#100) The Media Insights API does not support the {metric} "
                            "metric for this media product type.")  # fmt: skip
        figures = [(metric, self._figure(media["id"], metric)) for metric in asked]
        return {"data": [{"name": name, "period": "lifetime", "values": [{"value": value}],
                          "title": name, "description": "", "id": f"{media['id']}/insights/{name}"}
                         for name, value in figures]}  # fmt: skip

    def _figure(self, node: str, metric: str) -> int:
        return (int(node[-4:]) * 7 + len(metric) * 13) % 997 + self.bonus

    def _of_account(self, query: Query) -> Json:
        error = self._api.error
        asked = query.needed("metric").split(",")
        period = query.choice("period", ["day", "lifetime"]) or "day"
        form = query.choice("metric_type", ["total_value", "time_series"], "time_series")
        breakdown = query.text("breakdown")
        timeframe = query.choice("timeframe", ["this_month", "this_week"])
        since, until = query.integer("since", 0), query.integer("until", 0)
        query.done()
        if period == "lifetime":
            return self._demographics(asked, breakdown, timeframe)
        if until - since > 30 * _DAY:
            raise error(400, "(#100) There cannot be more than 30 days (2592000 s) between since "
                        "and until")  # fmt: skip
        known = SERIES if form == "time_series" else TOTALS
        if bad := [metric for metric in asked if metric not in known]:
            raise error(400, f"(#100) Incompatible metrics ({bad[0]}) with metric type ({form})")
        if breakdown and breakdown not in BREAKDOWNS:
            raise error(400, f"(#100) Invalid breakdown {breakdown}")
        if form == "time_series":
            return {"data": [self._series(metric, since, until) for metric in asked]}
        return {"data": [self._total(metric, since, breakdown) for metric in asked]}

    def day(self, since: int, metric: str) -> int:
        """Return the figure of the day of Los Angeles that begins at a moment."""
        begun = datetime.fromtimestamp(since, UTC).astimezone(_LOS_ANGELES)
        assert (begun.hour, begun.minute) == (0, 0), "not the beginning of a day there"
        return begun.toordinal() % 1000 + len(metric)

    def _total(self, metric: str, since: int, breakdown: str | None) -> Json:
        total: Json = {"value": self.day(since, metric)}
        if breakdown:
            results = [
                {"dimension_values": [name], "value": n} for n, name in ((3, "REEL"), (4, "AD"))
            ]
            total["breakdowns"] = [{"dimension_keys": [breakdown], "results": results}]
        return {"name": metric, "period": "day", "title": metric, "total_value": total,
                "id": f"{ACCOUNT}/insights/{metric}/day"}  # fmt: skip

    def _series(self, metric: str, since: int, until: int) -> Json:
        at = datetime.fromtimestamp(since, UTC).astimezone(_LOS_ANGELES)
        values = []
        while at.timestamp() < until:
            begun, at = at, at + timedelta(days=1)
            end = at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S+0000")
            values.append({"value": self.day(int(begun.timestamp()), metric), "end_time": end})
        return {"name": metric, "period": "day", "values": values, "title": metric,
                "id": f"{ACCOUNT}/insights/{metric}/day"}  # fmt: skip

    def _demographics(self, asked: list[str], breakdown: str | None, timeframe: str | None) -> Json:
        if set(asked) - {"follower_demographics", "engaged_audience_demographics"}:
            raise self._api.error(400, "(#100) Incompatible period")
        if "engaged_audience_demographics" in asked and not timeframe:
            raise self._api.error(400, "(#100) The timeframe parameter is required")
        results = [{"dimension_values": [name], "value": n} for n, name in ((700, "SE"), (5, "DE"))]
        total = {"breakdowns": [{"dimension_keys": [breakdown], "results": results}]}
        return {"data": [{"name": metric, "period": "lifetime", "total_value": total}
                         for metric in asked]}  # fmt: skip
