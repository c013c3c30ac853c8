"""The requests of the Graph API that are more than a path with fields, and what they answer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from airflow_provider_spotify.core.errors import TransientError
from airflow_provider_spotify.core.sources.api import _instagram_columns as columns
from airflow_provider_spotify.core.sources.api._instagram_errors import TooMuch
from airflow_provider_spotify.core.sources.api._instagram_paging import edge
from airflow_provider_spotify.core.sources.api._instagram_resources import DEFAULT_METRICS
from airflow_provider_spotify.core.sources.web.order import ordered
from airflow_provider_spotify.core.sources.web.pages import dig
from airflow_provider_spotify.core.sources.web.progress import Slice
from airflow_provider_spotify.core.sources.web.resource import Call

if TYPE_CHECKING:
    from airflow_provider_spotify.core.clients.http.client import HttpClient, Response
    from airflow_provider_spotify.core.sources.api._instagram_insights import MediaInsights
    from airflow_provider_spotify.core.sources.api.instagram import InstagramConfig

Json = dict[str, Any]
Ask = Callable[["HttpClient", Call, Slice], Awaitable[tuple["Response", Any]]]


def account_fields(login: Literal["instagram", "facebook"]) -> Mapping[str, str]:
    """Return the fields of an account that a login may ask for."""
    return {"fields": columns.BY_LOGIN[login]}


def metrics(config: InstagramConfig) -> Mapping[str, str]:
    """Return what insights of an account are asked for."""
    chosen = config.metrics or DEFAULT_METRICS[config.resource]
    breakdown = config.breakdown
    if config.resource == "account_demographics":
        breakdown = breakdown or "country"
    given = {
        "metric": ",".join(chosen),
        "breakdown": breakdown,
        "timeframe": config.timeframe,
    }
    return {name: value for name, value in given.items() if value}


def of_others(call: Call, params: Json, *, resource: str, key: str, account: str) -> Call:
    """Return the request for a hashtag's media, or for somebody else's account."""
    if resource.startswith("hashtag_"):
        return call._replace(params={**params, "user_id": account})
    fields = columns.DISCOVERED
    if resource == "business_discovery_media":
        after = f".after({params['after']})" if "after" in params else ""
        fields = f"media{after}.limit({params['limit']}){{{columns.DISCOVERED_MEDIA}}}"
    asked = {"fields": f"business_discovery.username({key}){{{fields}}}"}
    return call._replace(url=call.url.replace("{account}", account), params=asked)


async def hashtag_id(http: HttpClient, *, name: str, account: str) -> str:
    """Return the id of a hashtag; asking for one again within seven days costs nothing.

    https://developers.facebook.com/docs/instagram-platform/instagram-graph-api/reference/ig-hashtag-search

    :raises NotFound: if there is no such hashtag
    """
    body = await http.get_json("ig_hashtag_search", params={"user_id": account, "q": name})
    found = edge(body)
    if not found:
        raise TransientError(f"Instagram gave no id for hashtag {name!r}")
    return str(found[0]["id"])


async def smaller(ask: Ask, http: HttpClient, call: Call, now: Slice) -> tuple[Response, Any]:
    """Ask for a page, and for fewer rows where that is too much to answer at once."""
    while True:
        try:
            return await ask(http, call, now)
        except TooMuch:
            size = int(call.params.get("limit", 1))
            if size <= 1:
                raise
            call = call._replace(params={**call.params, "limit": size // 2})


async def with_insights(
    http: HttpClient, body: Any, insights: MediaInsights, *, width: int
) -> Json:
    """Return a page of media with the metrics of each, asked for several at once."""
    media = edge(body)
    calls = [partial(insights.of, http, each) for each in media]
    async with aclosing(ordered(calls, width=width)) as found:
        return {**body, "data": [each async for each in found]}


async def with_replies(http: HttpClient, body: Any, *, size: int) -> Json:
    """Return a page of comments with all replies: an answer holds only the first ones."""
    comments = [await _all_replies(http, comment, size=size) for comment in edge(body)]
    return {**body, "data": [reply for replies in comments for reply in replies]}


async def _all_replies(http: HttpClient, comment: Mapping[str, Any], *, size: int) -> list[Json]:
    from airflow_provider_spotify.core.sources.api._instagram_paging import GraphPages
    from airflow_provider_spotify.core.sources.web.pages import Page

    first = comment.get("replies")
    if not first:
        return []
    pages, found = GraphPages(size=size), [*edge(first)]
    page = Page("", first, {}, found, len(found))
    position = pages.following({}, page)
    while position:
        params = {"fields": columns.COMMENT_FIELDS, **pages.params(position)}
        body = await http.get_json(f"{comment['id']}/replies", params=params)
        rows = edge(body)
        parents = {reply.get("parent_id") for reply in rows}
        if rows and comment["id"] not in parents and None not in parents:
            raise TransientError("Instagram answered with replies to another comment")
        found += rows
        position = pages.following(position, Page("", body, {}, rows, len(rows)))
    return [{"parent_id": comment["id"], **reply} for reply in found]


def rows(body: Any, *, resource: str, path: str | None) -> Sequence[Mapping[str, Any]]:
    """Return the rows of an answer.

    :raises TransientError: if it has no place for them: it is no answer of the Graph API then
    """
    if resource == "business_discovery_media":
        # An account without media has no media edge at all.
        if dig(body, "business_discovery") is not None and not dig(
            body, "business_discovery.media"
        ):
            return ()
        return edge(body, "business_discovery.media")
    if resource in ("account", "business_discovery"):
        node = body if path is None else dig(body, path)
        if not isinstance(node, dict) or not (node.get("id") or node.get("user_id")):
            raise TransientError("Instagram answered without an account: not of the Graph API")
        return [node]
    found = edge(body)
    return (
        [row for item in found for row in _figures(item)] if resource in DEFAULT_METRICS else found
    )


def _figures(item: Mapping[str, Any]) -> list[Json]:
    """Return the figures of one metric: a series, or a total with its breakdowns."""
    metric, total = item.get("name"), item.get("total_value")
    if not isinstance(total, dict):
        return [{"metric": metric, **each} for each in item.get("values") or ()]
    figures: list[Json] = []
    if total.get("value") is not None:
        # Empty, not null: a merge has them in its key.
        figures.append({"metric": metric, "breakdown": "", "of": "", "value": total["value"]})
    for breakdown in total.get("breakdowns") or ():
        by = ",".join(breakdown.get("dimension_keys") or ())
        for each in breakdown.get("results") or ():
            of = ",".join(str(value) for value in each.get("dimension_values") or ())
            figures.append(
                {"metric": metric, "breakdown": by, "of": of, "value": each.get("value")}
            )
    return figures
