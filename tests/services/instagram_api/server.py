"""The Instagram Graph API, as Meta publishes it, by either login.

https://developers.facebook.com/docs/instagram-platform and, for paging, errors and limits,
https://developers.facebook.com/docs/graph-api.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Collection, Sequence
from typing import Any

from aiohttp import web

from tests.services.instagram_api import fields as f
from tests.services.instagram_api.insights import Insights
from tests.services.instagram_api.state import ACCOUNT, HASHTAGS, Data, Json
from tests.services.web_api.errors import ApiError
from tests.services.web_api.limits import Limit, Room
from tests.services.web_api.params import Query
from tests.services.web_api.server import WebApi
from tests.services.web_api.tokens import Ended, Token, Unknown

TOKEN = "IGQVJlongLivedToken0000000000000000000042"
APP, SECRET = "app-id-1", "app-secret-9f3c2b"
_DAY = 24 * 3600.0


class InstagramApi(WebApi):
    """One professional account, and what it may see of others.

    :ivar given_at: when the long-lived token was given (seconds since 1970)
    :ivar hashtags_asked: what counts against the 30 in seven days
    :ivar too_many: rows above which an answer is too large
    """

    free = ("/refresh_access_token", "/v26.0/oauth/access_token")

    def __init__(
        self, *, media: int = 95, comments: int = 40, login: str = "instagram", seed: int = 5
    ) -> None:
        super().__init__()
        self.login = login
        self.data = Data(media=media, comments=comments, seed=seed)
        self.insights = Insights(self)
        self.tokens.fixed(TOKEN, ACCOUNT)
        self.given_at = time.time() - 3 * _DAY
        self._era = 0
        self.hashtags_asked: set[str] = set()
        self.too_many = 10_000
        self.regain: float | None = None
        self._on: dict[str, int] = {}
        self.limits = [
            Limit(100_000, 60.0, told=self._usage, refused=self._usage, status=400,
                  message="(#80002) There have been too many calls to this Instagram account")
        ]  # fmt: skip

    def routes(self) -> list[web.RouteDef]:
        """List the endpoints."""
        base = "/{version:v[0-9]+[.][0-9]}"
        return [
            web.get("/refresh_access_token", self.refresh),
            web.get(f"{base}/oauth/access_token", self.exchange),
            web.get(f"{base}/ig_hashtag_search", self.hashtag_search),
            web.get(f"{base}/{{node}}", self.node),
            web.get(f"{base}/{{node}}/{{edge}}", self.edge),
        ]

    def error(self, status: int, message: str, **more: Any) -> ApiError:
        """Refuse as the Graph API does: mostly with 400, the reason in ``code``."""
        given = message.partition("(#")[2].partition(")")[0]
        code = more.pop("code", None) or (int(given) if given.isdigit() else 100)
        body = {"message": message, "type": "OAuthException", "code": code, **more}
        return ApiError(status, {"error": {**body, "fbtrace_id": "AbCdEf"}})

    def _usage(self, room: Room) -> dict[str, str]:
        used = 100 if self.regain else round(100 * (room.count - room.left) / room.count)
        use = {"type": "instagram", "call_count": used, "total_cputime": 1, "total_time": 1,
               "estimated_time_to_regain_access": self.regain or 0}  # fmt: skip
        return {"X-Business-Use-Case-Usage": json.dumps({ACCOUNT: [use]}),
                "X-App-Usage": json.dumps({"call_count": used, "total_time": 1})}  # fmt: skip

    def end_cursors(self) -> None:
        """Let every cursor that was given so far end, as they do after a while."""
        with self.lock:
            self._era += 1

    # ---- tokens ----------------------------------------------------------------------------

    def authorise(self, request: web.Request) -> Token:
        """Take the token from the header or from ``access_token``; check ``appsecret_proof``."""
        kind, _, text = request.headers.get("Authorization", "").partition(" ")
        text = text if kind == "Bearer" else request.query.get("access_token", "")
        if not text:
            raise self.error(400, "An active access token must be used to query information "
                             "about the current user.", code=2500)  # fmt: skip
        try:
            token = self.tokens.find(text)
        except Unknown:
            raise self.error(400, f"Malformed access token {text}", code=190) from None
        except Ended:
            raise self.error(400, "Error validating access token: Session has expired",
                             code=190, error_subcode=463) from None  # fmt: skip
        proof = hmac.new(SECRET.encode(), text.encode(), hashlib.sha256).hexdigest()
        if request.query.get("appsecret_proof", proof) != proof:
            raise self.error(400, "(#100) Invalid appsecret_proof provided in the API argument")
        return token

    def refresh(self, request: web.Request) -> Any:
        """GET /refresh_access_token: a token that lives and is a day old."""
        query = self.query(request)
        query.choice("grant_type", ["ig_refresh_token"])
        text = query.needed("access_token")
        query.done()
        return self._prolonged(text)

    def exchange(self, request: web.Request) -> Any:
        """GET /oauth/access_token: the same with Facebook login, for an app that proves itself."""
        query = self.query(request)
        query.choice("grant_type", ["fb_exchange_token"])
        text = query.needed("fb_exchange_token")
        if (query.needed("client_id"), query.needed("client_secret")) != (APP, SECRET):
            raise self.error(400, "Error validating client secret.", code=1)
        query.done()
        return self._prolonged(text)

    def _prolonged(self, text: str) -> Json:
        try:
            self.tokens.find(text)
        except (Unknown, Ended):
            raise self.error(400, "Error validating access token", code=190) from None
        if time.time() - self.given_at < _DAY:
            raise self.error(400, "The token is too young", code=100)
        self.given_at = time.time()
        return {"access_token": self.tokens.grant(ACCOUNT), "token_type": "bearer",
                "expires_in": 60 * int(_DAY)}  # fmt: skip

    # ---- nodes and edges -------------------------------------------------------------------

    def query(self, request: web.Request) -> Query:
        """Read the query; the token and its proof may stand in each."""
        own = () if request.path in self.free else ("access_token", "appsecret_proof")
        rest = {k: v for k, v in request.query.items() if k not in own}
        return Query(rest, refuse=self.error)

    def node(self, request: web.Request) -> Any:
        """GET /{id}: an account, or the token's own by ``me``."""
        self._version(request)
        query = self.query(request)
        asked = query.text("fields", "id") or "id"
        query.done()
        node = request.match_info["node"]
        if node not in ("me", ACCOUNT):
            raise self.gone(node)
        if node == "me" and self.login == "facebook":
            return {"id": "10220000000000001", "name": "A Person"}
        if "business_discovery" in asked and self.login == "facebook":
            return {"business_discovery": self._discovered(asked), "id": ACCOUNT}
        return self.picked(self.data.account, asked, f.ACCOUNT[self.login], "IGUser")

    def edge(self, request: web.Request) -> Any:
        """GET /{id}/{edge}."""
        self._version(request)
        node, edge = request.match_info["node"], request.match_info["edge"]
        if edge == "insights":
            return self.insights.of(node, self.query(request))
        if node in ("me", ACCOUNT) and edge in ("media", "stories", "tags"):
            rows = {
                "media": self.data.media,
                "stories": self.data.stories,
                "tags": self.data.tagged,
            }
            return self._listed(request, rows[edge], f.STORY if edge == "stories" else f.MEDIA)
        if node in HASHTAGS.values() and edge in ("top_media", "recent_media"):
            return self._of_hashtag(request, node)
        if edge == "comments" and any(each["id"] == node for each in self.data.media):
            return self._comments(request, node)
        if edge == "replies" and node in self.data.replies:
            return self._listed(request, self.data.replies[node], f.COMMENT)
        raise self.gone(node)

    def hashtag_search(self, request: web.Request) -> Any:
        """GET /ig_hashtag_search: 30 different ones in seven days."""
        self._version(request)
        self._facebook_only()
        query = self.query(request)
        user, name = query.needed("user_id"), query.needed("q").lower()
        query.done()
        if user != ACCOUNT:
            raise self.gone(user)
        if name not in HASHTAGS:
            raise self.error(400, "The requested resource does not exist", code=24,
                             error_subcode=2207024)  # fmt: skip
        if name not in self.hashtags_asked and len(self.hashtags_asked) >= 30:
            raise self.error(400, "Maximum number of hashtags", code=18, error_subcode=2207034)
        self.hashtags_asked.add(name)
        return {"data": [{"id": HASHTAGS[name]}]}

    def gone(self, node: str) -> ApiError:
        """Refuse an id that is none, or none that the token may see."""
        return self.error(400, f"Unsupported get request. Object with ID '{node}' does not exist, "
                          "cannot be loaded due to missing permissions", code=100,
                          error_subcode=33)  # fmt: skip

    def picked(self, row: Json, asked: str, known: Collection[str], kind: str) -> Json:
        """Return the fields asked for; an unknown one fails the request."""
        try:
            return f.pick(row, asked, known=known)
        except f.Unknown as wrong:
            raise self.error(
                400, f"(#100) Tried accessing nonexisting field ({wrong}) on node type ({kind})"
            ) from None

    def _version(self, request: web.Request) -> None:
        if float(request.match_info["version"][1:]) < 21:
            raise self.error(400, "(#2635) You are calling a deprecated version", code=2635)

    def _facebook_only(self) -> None:
        if self.login != "facebook":
            raise self.error(400, "Unsupported request - method type: get", code=100)

    # ---- listings --------------------------------------------------------------------------

    def _listed(
        self, request: web.Request, rows: Sequence[Json], known: Collection[str], *,
        of_hashtag: bool = False, most: int = 100,
    ) -> Json:  # fmt: skip
        """Return a page of rows in their order; hidden ones leave it short."""
        query = self.query(request)
        asked = query.text("fields", "id") or "id"
        limit = query.integer("limit", 25, low=1, high=most)
        after = query.text("after")
        if of_hashtag and query.needed("user_id") != ACCOUNT:
            raise self.gone("user")
        query.done()
        if limit > self.too_many:
            raise self.error(500, "Please reduce the amount of data you're asking for, then retry "
                             "your request", code=1)  # fmt: skip
        at = self._on.get(request.path, 0) if of_hashtag and after else self._place(after, rows)
        page = rows[at : at + limit]
        shown = [row for row in page if row["id"] not in self.data.hidden]
        body: Json = {"data": [self.shown(row, asked, known) for row in shown]}
        if not page:
            return body
        self._on[request.path] = at + limit
        cursors = {"before": self._cursor(page[0]["id"]), "after": self._cursor(page[-1]["id"])}
        if of_hashtag:  # only an after cursor, the same on each page
            cursors = {"after": "QVFIUsame"}
        body["paging"] = {"cursors": cursors}
        if at + limit < len(rows):
            own = {**request.query, "after": cursors["after"], "access_token": TOKEN}
            body["paging"]["next"] = f"{self.home(request)}{request.rel_url.with_query(own)}"
        return body

    def shown(self, row: Json, asked: str, known: Collection[str]) -> Json:
        """Return an object of a listing."""
        return self.picked(row, asked, known, "ShadowIGMedia")

    def _of_hashtag(self, request: web.Request, node: str) -> Json:
        """GET /{hashtag}/top_media and recent_media: 50 a page, no order promised."""
        self._facebook_only()
        name = next(name for name, id_ in HASHTAGS.items() if id_ == node)
        return self._listed(
            request, self.data.tops[name], f.HASHTAG_MEDIA, of_hashtag=True, most=50
        )

    def _comments(self, request: web.Request, media: str) -> Json:
        """GET /{media}/comments: 50 a page; the first answers of each if they are asked for."""
        asked = request.query.get("fields", "id")
        inner = f.parse(asked).get("replies", ({}, ""))[1]
        rows = self.data.comments.get(media, [])
        if "replies" in f.parse(asked):
            rows = [self._answered(row, inner) for row in rows]
        return self._listed(request, rows, f.COMMENT | {"replies"}, most=50)

    def _answered(self, comment: Json, asked: str) -> Json:
        answers = self.data.replies.get(comment["id"], [])
        if not answers:
            return comment
        first: Json = {"data": [self.picked(each, asked, f.COMMENT, "IGComment")
                                for each in answers[:2]]}  # fmt: skip
        after = self._cursor(answers[1]["id"])
        link = f"{self.url}/v26.0/{comment['id']}/replies?access_token={TOKEN}&after={after}"
        first["paging"] = {"cursors": {"after": after}, "next": link}
        return {**comment, "replies": first}

    def _discovered(self, asked: str) -> Json:
        """GET /{account}?fields=business_discovery.username(…){…}: its media have no ``next``."""
        calls, inner = f.parse(asked)["business_discovery"]
        name = calls.get("username", "")
        if name not in self.data.others:
            raise self.error(400, f"Invalid user id: Cannot find User with username: {name}",
                             code=110, error_subcode=2207013)  # fmt: skip
        rows, found = self.data.others[name], {**self.data.account, "id": "555", "username": name}
        wanted = f.parse(inner)
        if "media" not in wanted:
            return self.picked(found, inner, f.DISCOVERED, "IGUser")
        how, own = wanted["media"]
        at = self._place(how.get("after"), rows)
        page = rows[at : at + int(how.get("limit", 25))]
        if not rows:
            return {"id": "555"}
        media: Json = {"data": [self.picked(r, own, f.DISCOVERED_MEDIA, "IGMedia") for r in page]}
        if page and at + len(page) < len(rows):
            media["paging"] = {"cursors": {"after": self._cursor(page[-1]["id"])}}
        return {"media": media, "id": "555"}

    def _cursor(self, last: str) -> str:
        return base64.urlsafe_b64encode(f"{self._era}/{last}".encode()).decode()

    def _place(self, after: str | None, rows: Sequence[Json]) -> int:
        """Return where a cursor leads; it ends when it is told to, or its object is deleted."""
        if after is None:
            return 0
        try:
            era, _, last = base64.urlsafe_b64decode(after).decode().partition("/")
            known = [at for at, row in enumerate(rows) if row["id"] == last]
            if int(era) == self._era and known:
                return known[0] + 1
        except ValueError:
            pass
        raise self.error(400, "(#100) Invalid parameter: the cursor is invalid or has expired")
