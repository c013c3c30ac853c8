"""Cuts a published API description down to what our contract servers are checked against.

``python -m tests.services.web_api.contracts.cut SYSTEM DOCUMENT`` reads OpenAPI 3 (JSON or YAML)
or a Google discovery document and writes ``<SYSTEM>.json`` beside this file.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

Json = dict[str, Any]
HERE = Path(__file__).parent
KEPT = frozenset({
    "type", "format", "properties", "items", "required", "enum", "nullable", "allOf", "oneOf",
    "anyOf", "$ref", "minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems",
    "additionalProperties", "discriminator", "pattern", "uniqueItems", "not", "default",
})  # fmt: skip
"""What says how data look; titles, descriptions and examples are the publisher's words."""
SOURCES: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "spotify": (
        "https://github.com/sonallux/spotify-web-api/blob/main/fixed-spotify-open-api.yml"
        " (2026-08-21), after https://developer.spotify.com/reference/web-api/open-api-schema.yaml",
        "MIT, Copyright (c) 2020 sonallux",
        (
            "/albums", "/albums/{id}", "/albums/{id}/tracks", "/artists", "/artists/{id}",
            "/artists/{id}/albums", "/tracks", "/tracks/{id}", "/shows", "/shows/{id}",
            "/shows/{id}/episodes", "/episodes", "/episodes/{id}", "/audiobooks",
            "/audiobooks/{id}", "/audiobooks/{id}/chapters", "/chapters", "/chapters/{id}",
            "/search", "/playlists/{playlist_id}", "/playlists/{playlist_id}/tracks",
            "/playlists/{playlist_id}/items", "/browse/new-releases", "/audio-features",
            "/audio-features/{id}", "/me/albums", "/me/tracks", "/me/episodes", "/me/shows",
            "/me/audiobooks", "/me/following", "/me/playlists", "/me/player/recently-played",
            "/me/top/artists", "/me/top/tracks", "/markets",
        ),
    ),
    "soundcloud": (
        "https://github.com/soundcloud/api/blob/master/openapi/api.yaml (2026-07-19)",
        "none stated: field names and types only, which are facts of a public interface",
        (
            "/me", "/me/likes/tracks", "/me/tracks", "/me/followings", "/me/followers",
            "/me/playlists", "/me/recently-played/tracks", "/tracks", "/playlists", "/users",
            "/playlists/{playlist_urn}", "/playlists/{playlist_urn}/tracks", "/tracks/{track_urn}",
            "/tracks/{track_urn}/comments", "/tracks/{track_urn}/favoriters",
            "/tracks/{track_urn}/reposters", "/tracks/{track_urn}/related", "/resolve",
            "/users/{user_urn}", "/users/{user_urn}/followers", "/users/{user_urn}/followings",
            "/users/{user_urn}/playlists", "/users/{user_urn}/tracks",
            "/users/{user_urn}/likes/tracks", "/users/{user_urn}/likes/playlists",
        ),
    ),
    "twitter": (
        "https://github.com/xdevplatform/xdk/blob/main/specs/openapi.json (2.167), as"
        " published at https://api.x.com/2/openapi.json",
        "X Developer Agreement and Policy: field names and types only, which are facts of a public"
        " interface",
        (
            "/2/tweets", "/2/tweets/{id}", "/2/tweets/search/recent", "/2/tweets/search/all",
            "/2/tweets/counts/recent", "/2/tweets/counts/all", "/2/users", "/2/users/{id}",
            "/2/users/by", "/2/users/by/username/{username}", "/2/users/me",
            "/2/users/{id}/tweets", "/2/users/{id}/mentions", "/2/users/{id}/followers",
            "/2/users/{id}/following", "/2/users/{id}/liked_tweets", "/2/users/{id}/owned_lists",
            "/2/lists/{id}", "/2/lists/{id}/tweets", "/2/lists/{id}/members",
            "/2/tweets/{id}/liking_users", "/2/tweets/{id}/retweeted_by",
            "/2/tweets/{id}/quote_tweets", "/2/usage/tweets",
        ),
    ),
    "google_analytics": (
        "https://analyticsdata.googleapis.com/$discovery/rest?version=v1beta, as kept by"
        " google-api-python-client 2.202.0",
        "Apache-2.0, Google LLC",
        (
            "/v1beta/properties/{propertiesId}:runReport",
            "/v1beta/properties/{propertiesId}:batchRunReports",
            "/v1beta/properties/{propertiesId}:runPivotReport",
            "/v1beta/properties/{propertiesId}:runRealtimeReport",
            "/v1beta/properties/{propertiesId}/metadata",
            "/v1beta/properties/{propertiesId}:checkCompatibility",
        ),
    ),
}  # fmt: skip


def cut(system: str, document: Json) -> Json:
    """Return the operations of a system, and the schemas that they need."""
    source, licence, paths = SOURCES[system]
    whole = from_discovery(document) if "discoveryVersion" in document else document
    info = {"title": system, "version": str(whole["info"].get("version", ""))}
    kept = {path: _operations(whole["paths"][path], whole) for path in paths if
            path in whole["paths"]}  # fmt: skip
    components: Json = {}
    waiting = list(_refs(kept))
    while waiting:
        name = waiting.pop()
        if name not in components:
            components[name] = _bare(_target(whole, name))
            waiting += _refs(components[name])
    return {
        "openapi": "3.0.3",
        "info": {**info, "x-source": source, "x-licence": licence},
        "servers": [{"url": each["url"]} for each in whole.get("servers", ())],
        "paths": kept,
        "components": {"schemas": dict(sorted(components.items()))},
    }


def _operations(item: Json, whole: Json) -> Json:
    found: Json = {}
    shared = item.get("parameters", ())
    for method in ("get", "post"):
        operation = item.get(method)
        if operation is None or (method == "post" and "get" in item):
            continue  # what writes is not ours
        given = [_resolved(each, whole) for each in (*shared, *operation.get("parameters", ()))]
        found[method] = {
            "parameters": [_parameter(each) for each in given if each["in"] != "header"],
            "responses": {
                str(status): _content(_resolved(answer, whole))
                for status, answer in operation["responses"].items()
            },
        }
        if "requestBody" in operation:
            found[method]["requestBody"] = _content(_resolved(operation["requestBody"], whole))
    return found


def _parameter(given: Json) -> Json:
    names = ("name", "in", "required", "style", "explode")
    kept: Json = {key: given[key] for key in names if key in given}
    return {**kept, "schema": _bare(given.get("schema", {}))}


def _content(answer: Json) -> Json:
    for kind, content in answer.get("content", {}).items():
        if "json" in kind and "problem" not in kind:
            return {"content": {"application/json": {"schema": _bare(content.get("schema", {}))}}}
    return {}


def _resolved(value: Json, whole: Json) -> Json:
    while "$ref" in value:
        found: Any = whole
        for step in value["$ref"].removeprefix("#/").split("/"):
            found = found[step]
        value = found
    return value


def _target(whole: Json, name: str) -> Json:
    found: Json = whole["components"]["schemas"][name]
    return found


def _bare(schema: Any) -> Any:
    """Return a schema without the publisher's words."""
    if isinstance(schema, list):
        return [_bare(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    found = {}
    for key, value in schema.items():
        if key == "properties":
            found[key] = {name: _bare(each) for name, each in value.items()}
        elif key in ("enum", "required", "default"):
            found[key] = value
        elif key in KEPT:
            found[key] = _bare(value)
    return found


def _refs(value: Any) -> Iterator[str]:
    if isinstance(value, list):
        for each in value:
            yield from _refs(each)
    elif isinstance(value, dict):
        for key, each in value.items():
            if key == "$ref" and isinstance(each, str):
                yield each.rpartition("/")[2]
            else:
                yield from _refs(each)


def from_discovery(document: Json) -> Json:
    """Return a Google discovery document as OpenAPI 3."""
    text = json.dumps(document["schemas"])
    schemas = json.loads(re.sub(r'"\$ref": "(\w+)"', r'"$ref": "#/components/schemas/\1"', text))
    paths: Json = {}
    for method in document["resources"]["properties"]["methods"].values():
        operation: Json = {"parameters": [], "responses": {"200": _named(method["response"])}}
        for name in re.findall(r"\{(\w+)\}", method["flatPath"]):
            operation["parameters"].append(
                {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
            )
        if "request" in method:
            operation["requestBody"] = _named(method["request"])
        paths["/" + method["flatPath"]] = {method["httpMethod"].lower(): operation}
    return {
        "info": {"version": document["revision"]},
        "servers": [{"url": document["rootUrl"].rstrip("/")}],
        "paths": paths,
        "components": {"schemas": schemas},
    }


def _named(value: Json) -> Json:
    schema = {"$ref": f"#/components/schemas/{value['$ref']}"}
    return {"content": {"application/json": {"schema": schema}}}


if __name__ == "__main__":
    chosen, document = sys.argv[1], Path(sys.argv[2])
    loaded = yaml.load(document.read_text(), Loader=yaml.CSafeLoader)
    target = HERE / f"{chosen}.json"
    target.write_text(json.dumps(cut(chosen, loaded), indent=1, sort_keys=True) + "\n")
    print(target.name, target.stat().st_size)
