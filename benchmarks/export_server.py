"""Services for benchmarks that export events: days of Mixpanel's, hours of Amplitude's."""

from __future__ import annotations

import asyncio
import gzip
import io
import multiprocessing
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from multiprocessing.connection import Connection
from typing import Any

import orjson

from airflow_provider_spotify.core.model import Credentials

DAY_ROWS = 100_000
"""Events of one day of Mixpanel's: some 44 MB of text."""
HOUR_ROWS = 10_000
"""Events of one hour of Amplitude's: some 12 MB of text."""
FIRST = datetime(2026, 1, 1, tzinfo=UTC)
_BLOCK = 2000


def mixpanel_event(number: int) -> dict[str, Any]:
    """Return an event as the raw export gives it, of 16 properties."""
    return {
        "event": ("Play", "Skip", "Search", "Sign up")[number % 4],
        "properties": {
            "time": int(FIRST.timestamp()) + number,
            "distinct_id": f"listener-{number % 5003}",
            "$insert_id": f"{number:016x}",
            "$browser": "Chrome",
            "$city": "Malmö",
            "$os": "Mac OS X",
            "mp_country_code": "SE",
            "mp_lib": "web",
            "$lib_version": "2.41.0",
            "mp_processing_time_ms": (int(FIRST.timestamp()) + number) * 1000,
            "track_id": f"{number * 7919:x}",
            "tags": ["a", "b"],
            "context": {"playlist": number, "share": 0.5},
            "plan": "premium",
            "price": 9.99,
            "$current_url": "https://example.com/some/page?of=a&usual=length",
        },
    }


def amplitude_event(number: int, hour: datetime) -> dict[str, Any]:
    """Return an event as the Export API gives it, of 44 fields."""
    shown = f"{hour + timedelta(seconds=number % 3600):%Y-%m-%d %H:%M:%S}.678000"
    times = ("server_received_time", "event_time", "processed_time", "user_creation_time",
             "client_upload_time", "server_upload_time", "client_event_time")  # fmt: skip
    nothing = ("device_carrier", "paying", "dma", "location_lat", "location_lng", "idfa", "adid",
               "amplitude_attribution_ids", "amplitude_event_type", "sample_rate")  # fmt: skip
    return {
        **dict.fromkeys(times, shown),
        **dict.fromkeys(nothing),
        "app": 12345,
        "$schema": 12,
        "city": "Malmö",
        "user_id": f"user-{number % 5003}",
        "uuid": f"{number:032x}",
        "platform": "iOS",
        "os_version": "17.1",
        "amplitude_id": number * 7919,
        "version_name": "1.2",
        "ip_address": "192.0.2.1",
        "group_properties": {},
        "user_properties": {"plan": "free", "age": 3, "liked": [1, 2]},
        "$insert_id": f"{number:016x}",
        "country": "Sweden",
        "event_properties": {"track": "x", "n": number, "nested": {"a": 1}},
        "os_name": "ios",
        "device_type": "Apple iPhone",
        "event_type": "play",
        "library": "amplitude-ios/8.0",
        "device_family": "Apple iPhone",
        "session_id": 1_700_000_000_000 + number,
        "device_id": f"{number:016x}",
        "event_id": number,
        "data": {"first_event": True},
        "language": "Swedish",
        "region": "Skåne",
        "groups": {},
        "start_version": "1.0",
        "is_attribution_event": False,
    }


def _lines(events: Iterator[dict[str, Any]]) -> bytes:
    return b"".join(orjson.dumps(each) + b"\n" for each in events)


def _archive(first: datetime, last: datetime) -> bytes:
    """Return the zip of some hours, two files an hour."""
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w") as into:
        hour = first
        while hour <= last:
            text = _lines(amplitude_event(n, hour) for n in range(_BLOCK))
            packed = gzip.compress(text, 6) * (HOUR_ROWS // _BLOCK // 2)
            rest = gzip.compress(text, 6) * (HOUR_ROWS // _BLOCK - HOUR_ROWS // _BLOCK // 2)
            for part, data in enumerate((packed, rest)):
                into.writestr(f"1/1_{hour:%Y-%m-%d}_{hour.hour}#{part}.json.gz", data)
            hour += timedelta(hours=1)
    return written.getvalue()


def _serve(ready: Connection) -> None:
    from aiohttp import web

    archives: dict[tuple[datetime, datetime], bytes] = {}

    async def mixpanel(request: web.Request) -> web.StreamResponse:
        first, last = (date.fromisoformat(request.query[n]) for n in ("from_date", "to_date"))
        answer = web.StreamResponse(headers={"Content-Encoding": "gzip"}, status=200)
        answer.content_type = "text/plain"
        await answer.prepare(request)
        for day in range((first - FIRST.date()).days, (last - FIRST.date()).days + 1):
            # All of a day's events are of its first hour: one block, sent again and again.
            start = day * 86_400
            block = gzip.compress(_lines(mixpanel_event(start + n) for n in range(_BLOCK)), 6)
            for _ in range(DAY_ROWS // _BLOCK):
                await answer.write(block)
        await answer.write_eof()
        return answer

    async def amplitude(request: web.Request) -> web.Response:
        asked = (request.query["start"], request.query["end"])
        first, last = (datetime.strptime(t, "%Y%m%dT%H").replace(tzinfo=UTC) for t in asked)
        if (first, last) not in archives:
            archives[first, last] = _archive(first, last)
        return web.Response(body=archives[first, last], content_type="application/zip")

    async def run() -> None:
        app = web.Application()
        app.router.add_get("/api/2.0/export", mixpanel)
        app.router.add_get("/api/2/export", amplitude)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        ready.send(runner.addresses[0][1])
        await asyncio.Event().wait()

    asyncio.run(run())


@contextmanager
def exports() -> Iterator[Credentials]:
    """Run both services in a process of their own."""
    ours, theirs = multiprocessing.Pipe()
    server = multiprocessing.get_context("spawn").Process(target=_serve, args=(theirs,))
    server.start()
    try:
        extra = {"api_url": f"http://127.0.0.1:{ours.recv()}", "project_id": "1"}
        yield Credentials(login="bench", password="bench", extra=extra)
    finally:
        server.terminate()
        server.join()
