"""The server: reports, pivots, realtime, metadata and compatibility of invented properties."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from datetime import date
from functools import partial
from types import TracebackType
from typing import Any, Self

from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.services.google_analytics_api.figures import (
    APART,
    DIMENSIONS,
    METRICS,
    REALTIME,
    Property,
    table,
    written,
)
from tests.services.google_analytics_api.requests import day, int64, keeps, known, named
from tests.services.oauth_server import OAuthServer
from tests.services.web_api.errors import ApiError
from tests.services.web_api.server import WebApi
from tests.services.web_api.tokens import Token

PROPERTY = "213025502"
FIRST = date(2026, 3, 20)
ACCOUNT = "reports@acme.iam.gserviceaccount.example"
SCOPE = "https://www.googleapis.com/auth/analytics.readonly"
_STATUS = {
    400: "INVALID_ARGUMENT", 401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED",
    404: "NOT_FOUND", 429: "RESOURCE_EXHAUSTED", 500: "INTERNAL", 503: "UNAVAILABLE",
}  # fmt: skip
_QUOTAS = {
    "tokensPerDay": 200_000, "tokensPerHour": 40_000, "concurrentRequests": 10,
    "serverErrorsPerProjectPerHour": 10, "potentiallyThresholdedRequestsPerHour": 120,
    "tokensPerProjectPerHour": 14_000,
}  # fmt: skip
_TOKENS = ("tokensPerDay", "tokensPerHour", "tokensPerProjectPerHour")


def new_key() -> rsa.RSAPrivateKey:
    """Make an RSA key."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


_KEY = new_key()


class GoogleAnalyticsApi(WebApi):
    """https://developers.google.com/analytics/devguides/reporting/data/v1/rest/v1beta/properties."""

    def __init__(self, *, days: int = 28) -> None:
        super().__init__()
        self.oauth = OAuthServer()
        self.oauth.accounts[ACCOUNT] = _KEY.public_key()
        self.properties = {PROPERTY: Property()}
        self.properties[PROPERTY].add(FIRST, days)
        self.refused: list[str] = []
        self.asked_for: list[dict[str, Any]] = []
        self.at_once = 0

    def key_file(self, key: rsa.RSAPrivateKey = _KEY) -> dict[str, str]:
        """Return what a service account's key file holds."""
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
        return {
            "type": "service_account",
            "client_email": ACCOUNT,
            "private_key": pem,
            "private_key_id": "k1",
            "token_uri": self.oauth.token_url,
        }

    def __enter__(self) -> Self:
        self.oauth.__enter__()
        return super().__enter__()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        super().__exit__(kind, error, tb)
        self.oauth.__exit__(kind, error, tb)

    def routes(self) -> list[web.RouteDef]:
        """List the methods."""
        home = "/v1beta/properties/{id:[^/:]+}"
        answers = {
            "runReport": self.run_report,
            "runPivotReport": self.run_pivot_report,
            "runRealtimeReport": self.run_realtime_report,
            "checkCompatibility": self.check_compatibility,
        }
        posts = [web.post(f"{home}:{name}", self._method(name, answer))
                 for name, answer in answers.items()]  # fmt: skip
        return [*posts, web.get(f"{home}/metadata", self.get_metadata)]

    def error(self, status: int, message: str, **more: Any) -> ApiError:
        """Refuse by a google.rpc.Status: https://cloud.google.com/apis/design/errors."""
        told = {"code": status, "message": message, "status": _STATUS.get(status, "UNKNOWN")}
        return ApiError(status, {"error": {**told, **more}})

    def authorise(self, request: web.Request) -> Token | None:
        """Take a token of the service account."""
        kind, _, text = request.headers.get("Authorization", "").partition(" ")
        with self.oauth.lock:
            ends = self.oauth.access_tokens.get(text)
        if kind != "Bearer" or ends is None:
            raise self.error(401, "Request had invalid authentication credentials.")
        return Token(ACCOUNT, frozenset([SCOPE]), ends)

    def expire_tokens(self) -> None:
        """End every access token now."""
        self.oauth.expire()

    def refuse(self, message: str) -> ApiError:
        """Refuse a request as wrong."""
        return self.error(400, message)

    def find(self, request: web.Request) -> Property:
        """Return the property that is asked about; one that nobody opened to us is a 403."""
        found = self.properties.get(request.match_info["id"])
        if not request.match_info["id"].isdigit():
            raise self.refuse("Invalid property id. A numeric Property ID is required.")
        if found is None or found.closed:
            raise self.error(403, "User does not have sufficient permissions for this property.")
        return found

    def _method(self, name: str, answer: Any) -> Any:
        async def handle(request: web.Request) -> Any:
            self.at_once += 1
            try:
                if self.at_once > _QUOTAS["concurrentRequests"]:
                    raise self.error(429, "Exhausted concurrent requests quota. Please wait for"
                                          " outstanding requests to complete.")  # fmt: skip
                await asyncio.sleep(0)
                body = json.loads(await request.read() or b"null")
                with self.lock:
                    return self._answered(request, name, answer, body)
            finally:
                self.at_once -= 1

        return partial(handle)

    def _answered(self, request: web.Request, name: str, answer: Any, body: Any) -> Any:
        if self.refused:
            raise self.error(429, self.refused.pop(0))
        asked = known(body, name, self.refuse)
        self.asked_for.append({"method": name, **asked})
        found = self.find(request)
        report = answer(found, asked)
        if asked.get("returnPropertyQuota"):
            report["propertyQuota"] = self._quota(found)
        return report

    def _quota(self, found: Property) -> dict[str, Any]:
        for name in _TOKENS:
            found.tokens[name] = found.tokens.get(name, _QUOTAS[name]) - 5
        told: dict[str, Any] = {}
        for name, most in _QUOTAS.items():
            # What is 0 is left out, as proto3 JSON does.
            consumed = {"consumed": 5} if name in _TOKENS else {}
            left = found.tokens.get(name, most)
            told[name] = {**consumed, **({"remaining": left} if left else {})}
        return told

    # ---- the methods -------------------------------------------------------------------------

    def run_report(self, found: Property, asked: Mapping[str, Any]) -> dict[str, Any]:
        """Answer .../rest/v1beta/properties/runReport."""
        dimensions, metrics = self._fields(asked)
        limit = int64(asked.get("limit"), default=10_000, refuse=self.refuse)
        offset = int64(asked.get("offset"), default=0, refuse=self.refuse)
        if not limit:
            raise self.refuse("limit must be positive")
        rows = self._rows(self._dated(found, asked), asked, dimensions, metrics)
        page = rows[offset : offset + min(limit, 250_000)]
        return self._report("runReport", found, asked, dimensions, metrics, page, rows)

    def run_pivot_report(self, found: Property, asked: Mapping[str, Any]) -> dict[str, Any]:
        """Answer .../rest/v1beta/properties/runPivotReport."""
        dimensions, metrics = self._fields(asked)
        pivots = asked.get("pivots") or []
        product = 1
        for pivot in pivots:
            product *= int64(pivot.get("limit"), default=0, refuse=self.refuse)
        if not 0 < product <= 250_000:
            raise self.refuse("The product of pivot limits must be from 1 to 250000.")
        shown = [name for pivot in pivots for name in pivot["fieldNames"]]
        if set(shown) != set(dimensions) or len(shown) != len(set(shown)):
            raise self.refuse("Dimensions must be used by exactly one pivot.")
        rows = self._rows(self._dated(found, asked), {**asked, "orderBys": None}, shown, metrics)
        kept, headers, at = rows, [], 0
        for pivot in pivots:
            span = slice(at, at := at + len(pivot["fieldNames"]))
            every = sorted({key[span] for key, _ in rows})
            start = int64(pivot.get("offset"), default=0, refuse=self.refuse)
            some = every[start : start + int(pivot["limit"])]
            kept = [row for row in kept if row[0][span] in set(some)]
            values = [{"dimensionValues": [{"value": v} for v in each]} for each in some]
            headers.append({"pivotDimensionHeaders": values, "rowCount": len(every)})
        report = self._report("runPivotReport", found, asked, shown, metrics, kept, rows)
        report.pop("rowCount", None)
        return {**report, "pivotHeaders": headers}

    def run_realtime_report(self, found: Property, asked: Mapping[str, Any]) -> dict[str, Any]:
        """Answer .../rest/v1beta/properties/runRealtimeReport; it has no offset."""
        dimensions, metrics = self._fields(asked)
        if wrong := [name for name in dimensions if name not in REALTIME]:
            raise self.refuse(f"Field {wrong[0]} is not a valid dimension.")
        ranges = asked.get("minuteRanges") or [{}]
        rows: list[Any] = []
        for number, each in enumerate(ranges):
            start, end = each.get("startMinutesAgo", 29), each.get("endMinutesAgo", 0)
            if not 29 >= start >= end >= 0:
                raise self.refuse("Invalid minute range")
            events = [e for e in found.events if start >= e["minutes_ago"] >= end]
            name = each.get("name", f"date_range_{number}")
            part = self._rows(events, asked, dimensions, metrics)
            rows += [((*key, name), sums) for key, sums in part] if len(ranges) > 1 else part
        shown = [*dimensions, "dateRange"] if len(ranges) > 1 else dimensions
        limit = int64(asked.get("limit"), default=10_000, refuse=self.refuse)
        report = self._report("runRealtimeReport", found, asked, shown, metrics, rows[:limit], rows)
        del report["metadata"]
        return report

    def check_compatibility(self, found: Property, asked: Mapping[str, Any]) -> dict[str, Any]:
        """Answer .../rest/v1beta/properties/checkCompatibility."""
        self._fields(asked)
        return {
            "dimensionCompatibilities": [
                {"dimensionMetadata": {"apiName": name}, "compatibility": "INCOMPATIBLE"}
                for name in sorted(APART)
            ]
        }

    def get_metadata(self, request: web.Request) -> Any:
        """Answer .../rest/v1beta/properties/getMetadata; property 0 is what all have in common."""
        if request.match_info["id"] != "0":
            self.find(request)
        by = [
            {"apiName": n, "uiName": n.title(), "category": "Other",
             **({"customDefinition": True} if ":" in n else {})}
            for n in DIMENSIONS
        ]  # fmt: skip
        counted = [{"apiName": n, "uiName": n.title(), "type": kind}
                   for n, (kind, _) in METRICS.items()]  # fmt: skip
        counted[2]["blockedReasons"] = ["NO_REVENUE_METRICS"]  # type: ignore[assignment]
        name = f"properties/{request.match_info['id']}/metadata"
        return {"name": name, "dimensions": by, "metrics": counted, "comparisons": []}

    # ---- what they share ---------------------------------------------------------------------

    def _fields(self, asked: Mapping[str, Any]) -> tuple[list[str], list[str]]:
        dimensions = named(asked.get("dimensions", []), self.refuse, kind="dimensions", most=9)
        metrics = named(asked.get("metrics", []), self.refuse, kind="metrics", most=10)
        for name, every, kind in (
            *((name, DIMENSIONS, "dimension") for name in dimensions),
            *((name, METRICS, "metric") for name in metrics),
        ):
            if name not in every:
                raise self.refuse(f"Field {name} is not a valid {kind}.")
        if set(dimensions) >= APART:
            raise self.refuse("Please remove city to make the request compatible.")
        return dimensions, metrics

    def _dated(self, found: Property, asked: Mapping[str, Any]) -> list[dict[str, Any]]:
        (span,) = asked.get("dateRanges") or [{}]
        first = day(span.get("startDate"), found.time_zone, self.refuse)
        last = day(span.get("endDate"), found.time_zone, self.refuse)
        if first > last:
            raise self.refuse("startDate must be before endDate")
        return [event for event in found.events if first <= event["day"] <= last]

    def _rows(
        self, events: Any, asked: Mapping[str, Any], dimensions: Sequence[str], metrics: Any
    ) -> list[tuple[tuple[str, ...], dict[str, float]]]:
        by, counted = asked.get("dimensionFilter"), asked.get("metricFilter")
        kept = [e for e in events if keeps(by, partial(_dimension, e), self.refuse)]
        found = table(kept, tuple(dimensions), tuple(metrics))
        empty = bool(asked.get("keepEmptyRows"))
        rows = [
            (key, sums)
            for key, sums in found.items()
            if (any(sums.values()) or empty) and keeps(counted, partial(_sum, sums), self.refuse)
        ]
        rows.sort()
        for order in reversed(asked.get("orderBys") or []):
            rows.sort(key=self._order(order, dimensions), reverse=order.get("desc", False))
        return rows

    def _order(self, order: Mapping[str, Any], dimensions: Sequence[str]) -> Any:
        if "metric" in order:
            return lambda row: row[1][order["metric"]["metricName"]]
        name = order["dimension"]["dimensionName"]
        if name not in dimensions:
            raise self.refuse(f"Field {name} exists in OrderBy but is not defined in input.")
        return lambda row: row[0][list(dimensions).index(name)]

    def _report(
        self, method: str, found: Property, asked: Any, dimensions: Any, metrics: Any, page: Any,
        rows: Any,
    ) -> dict[str, Any]:  # fmt: skip
        body: dict[str, Any] = {
            "dimensionHeaders": [{"name": name} for name in dimensions],
            "metricHeaders": [{"name": name, "type": METRICS[name][0]} for name in metrics],
            "metadata": {
                "currencyCode": asked.get("currencyCode", found.currency),
                "timeZone": found.time_zone,
                **found.metadata,
            },
            "kind": f"analyticsData#{method}",
        }
        if page:
            body["rows"] = [
                {
                    "dimensionValues": [{"value": value} for value in key],
                    "metricValues": [{"value": written(n, sums[n])} for n in metrics],
                }
                for key, sums in page
            ]
        return {**body, "rowCount": len(rows)} if rows else body


def _dimension(event: Mapping[str, Any], name: str) -> str:
    return DIMENSIONS[name](dict(event))


def _sum(sums: Mapping[str, float], name: str) -> str:
    return str(sums[name])
