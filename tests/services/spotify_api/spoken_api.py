"""The endpoints of the spoken word and of markets, ``/v1/shows`` and so on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from aiohttp import web

from tests.services.spotify_api.catalogue import MARKETS
from tests.services.spotify_api.replies import ApiError, tagged
from tests.services.spotify_api.spoken import AUDIOBOOK_MARKETS
from tests.services.spotify_api.spoken_views import SpokenViews
from tests.services.spotify_api.web_api import Call, ids_of

USER_MARKET = "GB"
"""Where every user of this server lives."""


def views_of(call: Call) -> SpokenViews:
    """Return the views of a request."""
    return SpokenViews(call.views, heard=call.token.user is not None)


def _there(call: Call, kind: str) -> bool:
    """Say whether anything of a kind is found: the spoken word needs a country."""
    country = call.market or (USER_MARKET if call.token.user else None)
    return country is not None and (kind in ("shows", "episodes") or country in AUDIOBOOK_MARKETS)


def _find(call: Call, kind: str, identifier: str) -> Any:
    return getattr(call.state.spoken, kind).get(identifier) if _there(call, kind) else None


def _known(call: Call, kind: str) -> Any:
    found = _find(call, kind, call.id)
    if found is None:
        raise ApiError(404, "Non existing id")
    return found


def _make(call: Call, kind: str, *, full: bool) -> Callable[[Any], Any]:
    views = views_of(call)
    if kind == "episodes":
        return lambda found: views.full_episode(*found)
    if kind == "chapters":
        return lambda found: {
            **views.chapter(found[1]),
            "audiobook": views.simple_audiobook(found[0]),
        }
    whole = {"shows": views.show, "audiobooks": views.audiobook}
    return whole[kind] if full else {**whole, "shows": views.simple_show}[kind]


async def one(request: web.Request) -> web.Response:
    """GET /shows/{id}, /episodes/{id}, /audiobooks/{id}, /chapters/{id}."""
    call, kind = Call(request), request.path.split("/")[2]
    return tagged(request, _make(call, kind, full=True)(_known(call, kind)))


async def several(request: web.Request) -> web.Response:
    """GET /shows?ids= and so on (extended mode); null for what is not there."""
    call, kind = Call(request), request.path.split("/")[2]
    make = _make(call, kind, full=False)
    found = [_find(call, kind, each) for each in ids_of(call, kind)]
    return tagged(request, {kind: [None if each is None else make(each) for each in found]})


async def below(request: web.Request) -> web.Response:
    """GET /shows/{id}/episodes and /audiobooks/{id}/chapters."""
    call, kind = Call(request), request.path.split("/")[2]
    listed, views = _known(call, kind).episodes, views_of(call)
    make = views.simple_episode if kind == "shows" else views.chapter
    return tagged(request, call.page(len(listed), lambda n: make(listed[n])))


async def markets(request: web.Request) -> web.Response:
    """GET /markets (extended mode)."""
    Call(request).extended_only()
    return tagged(request, {"markets": list(MARKETS)})


ROUTES = [
    *(web.get(f"/v1/{kind}", several) for kind in ("shows", "episodes", "audiobooks", "chapters")),
    *(web.get(f"/v1/{kind}/{{id}}", one) for kind in ("shows", "episodes", "audiobooks",
                                                      "chapters")),
    web.get("/v1/shows/{id}/episodes", below),
    web.get("/v1/audiobooks/{id}/chapters", below),
    web.get("/v1/markets", markets),
]  # fmt: skip
