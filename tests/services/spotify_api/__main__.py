"""Runs the contract server until it is stopped, and prints its base URL on the first line."""

from __future__ import annotations

import argparse
import json
import signal
import sys
import threading
from pathlib import Path
from typing import cast, get_args

from tests.services.spotify_api.catalogue import ARTISTS, USERS, build
from tests.services.spotify_api.server import SpotifyServer
from tests.services.spotify_api.state import App, Mode, State


def app(text: str, *, mode: Mode) -> App:
    """Read ``ID:SECRET[:MODE[:USER]]``."""
    if ":" not in text:
        raise argparse.ArgumentTypeError(f"{text!r} has no secret: write ID:SECRET")
    identifier, secret, *more = text.split(":")
    chosen = more[0] if more else mode
    if chosen not in get_args(Mode):
        raise argparse.ArgumentTypeError(f"{chosen!r} is not a mode: development or extended")
    user = more[1] if len(more) > 1 else USERS[0]
    return App(
        identifier, secret, cast("Mode", chosen), user=user, grandfathered=chosen == "extended"
    )


def main(arguments: list[str] | None = None) -> int:
    """Run until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(prog="python -m tests.services.spotify_api")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0: any free one")
    parser.add_argument("--mode", choices=("development", "extended"), default="development")
    parser.add_argument(
        "--app",
        action="append",
        metavar="ID:SECRET[:MODE[:USER]]",
        help="an app (repeatable); by default demo-app:demo-app-secret in --mode."
        " Its refresh token is refresh-ID and belongs to USER",
    )
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--token-seconds", type=float, default=3600.0)
    parser.add_argument("--allowance", type=int, help="calls in any --window seconds for one app")
    parser.add_argument("--window", type=float, default=30.0)
    parser.add_argument("--quota", type=int, help="calls in all for one developer account")
    parser.add_argument("--latency", type=float, default=0.0, help="seconds before each answer")
    parser.add_argument("--list", type=int, metavar="N", help="also print N playlist ids of USER 1")
    parser.add_argument("--artists", type=int, default=ARTISTS, help="with some 15 tracks each")
    parser.add_argument(
        "--log", type=Path, help="write the time and status of each call at the end"
    )
    given = parser.parse_args(arguments)
    try:
        texts = given.app or ["demo-app:demo-app-secret"]
        apps = [app(text, mode=given.mode) for text in texts]
    except argparse.ArgumentTypeError as error:
        parser.error(f"--app: {error}")
    state = State(
        apps=apps,
        catalogue=build(given.seed, artists=given.artists),
        token_seconds=given.token_seconds,
        allowance=given.allowance,
        window=given.window,
        quota=given.quota,
        latency=given.latency,
    )
    stop = threading.Event()
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, lambda *_: stop.set())
    with SpotifyServer(state, host=given.host, port=given.port) as server:
        print(server.url, flush=True)
        for playlist in state.catalogue.owned_by(USERS[0])[: given.list or 0]:
            print(playlist.id, flush=True)
        stop.wait()
    if given.log:
        told = [(call.at, call.status) for call in state.calls if call.path.startswith("/v1/")]
        given.log.write_text(json.dumps(told))
    return 0


if __name__ == "__main__":
    sys.exit(main())
