"""Ways to read tracks from Spotify's contract server under a limit: `python -m … way`.

The server counts calls in any 30 seconds, as Spotify does; what it allows is unpublished
(https://developer.spotify.com/documentation/web-api/concepts/rate-limits), so each way says what it
was set to. The limit is not told to the source: it learns it from the first refusal.
"""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from airflow_provider_spotify.core.model import Credentials
from airflow_provider_spotify.core.sources.audio.spotify import SpotifyConfig, SpotifySource
from airflow_provider_spotify.core.usage import Usage
from benchmarks import timed
from tests.services.spotify_api.catalogue import make_id

WINDOW = 30.0
LATENCY = 0.05
"""Seconds before each answer, as over the internet."""
SHARE = 0.95
"""How much of what the limit allows is to be used after the first refusal."""
_SECRET = "a-secret-of-nobody"


class Setting(NamedTuple):
    """What a way reads, and what it may.

    :param allowance: calls in any 30 seconds
    """

    mode: str
    tracks: int
    allowance: int
    concurrency: int


SETTINGS: Mapping[str, Setting] = {
    "singles": Setting("development", 527, 180, 8),
    "batches": Setting("extended", 527 * 50, 180, 8),
    "fast": Setting("development", 11_810, 6_000, 32),
}
"""How many fill the window until the first refusal, and then two more, or one: a reading that ends
within a window says nothing of how much of it could have been used."""


@contextmanager
def _server(setting: Setting, log: Path) -> Iterator[str]:
    """Run the contract server in a process of its own; it writes its log when it ends."""
    command = [
        *(sys.executable, "-m", "tests.services.spotify_api", "--log", str(log)),
        *("--app", f"bench:{_SECRET}:{setting.mode}", "--latency", str(LATENCY)),
        *("--allowance", str(setting.allowance), "--window", str(WINDOW)),
        *("--artists", str(max(240, setting.tracks // 12))),
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(20)


def allowed(served: Sequence[float], *, since: float, until: float, allowance: int) -> int:
    """Return how many calls the limit allowed in a span of time.

    :param served: when the calls were made that were served before it
    """
    recent = deque(moment for moment in served if moment <= since)
    count = 0
    while len(recent) < allowance:
        recent.append(since)
        count += 1
    recent = deque(list(recent)[-allowance:])
    while recent[0] + WINDOW <= until:
        recent.append(recent.popleft() + WINDOW)
        count += 1
    return count


async def _read(source: SpotifySource) -> int:
    return sum([chunk.batch.num_rows async for chunk in source.read(None)])


def measure(name: str) -> Mapping[str, object]:
    """Read all tracks; say how fast, and how much of what was allowed was used.

    :raises RuntimeError: if a call was refused after the first refusal was waited for, or less than
        95 % of what was allowed was used from then on
    """
    timed.import_all("spotify")
    setting = SETTINGS[name]
    ids = [make_id("track", number, seed=7) for number in range(setting.tracks)]
    with tempfile.TemporaryDirectory(prefix="bench-spotify-") as folder:
        log = Path(folder, "calls.json")
        with _server(setting, log) as url:
            config = {"resource": "tracks", "ids": ids, "concurrency": setting.concurrency,
                      "api_url": f"{url}/v1", "token_url": f"{url}/api/token"}  # fmt: skip
            source = SpotifySource(
                SpotifyConfig.model_validate(config),
                credentials=Credentials.model_validate({"login": "bench", "password": _SECRET}),
            )
            source.usage = Usage()
            began = time.perf_counter()
            rows = asyncio.run(_read(source))
            seconds = time.perf_counter() - began
        calls = [(moment, status) for moment, status in json.loads(log.read_text())]
    said: dict[str, object] = {
        "rows": rows,
        "seconds": seconds,
        "tracks_a_minute": round(rows / seconds * 60),
        "limit": f"{setting.allowance}/{WINDOW:.0f}s",
    }
    return said | _use(calls, setting)


def _use(calls: Sequence[tuple[float, int]], setting: Setting) -> dict[str, object]:
    """Return the share of the allowed calls that were made after the first refusal."""
    refused = [moment for moment, status in calls if status == 429]
    served = [moment for moment, status in calls if status != 429]
    if not refused:
        return {"calls": len(served), "refused": 0}
    # Those under way at the first refusal are refused with it; none may be after that.
    first = min(refused)
    later = sum(moment > first + 1.0 for moment in refused)
    made = sum(moment > first for moment in served)
    could = allowed(served, since=first, until=max(served), allowance=setting.allowance)
    share = made / could if could else 1.0
    if later or share < SHARE:
        at = [round(moment - first, 2) for moment in refused]
        raise RuntimeError(f"refused after {at} s; {made} of {could} allowed calls were made")
    return {"calls": len(served), "refused": len(refused), "share": round(share, 4)}


if __name__ == "__main__":
    print(json.dumps(measure(sys.argv[1])))
