"""Writes what the example tenants import: invented people and songs, made from a seed."""

from __future__ import annotations

import csv
import gzip
import json
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

PLAYS, EVENTS, TRACKS, LISTENERS = 20_000, 15_000, 8_000, 3_000
GIVEN = ("Aino", "Björn", "Chloé", "Đorđe", "Emeka", "Fatima", "Gül", "Hiroshi", "Íris", "José")
FAMILY = ("Ångström", "Brâncuși", "O'Neil", "de la Cruz", "Kowalczyk", "Nguyễn", "Öztürk", "Yamada")


def write(root: Path, *, playlists: Sequence[str], now: datetime | None = None) -> None:
    """Write every file that ``dag_configs/`` names below ``root``.

    :param playlists: the ids of the Spotify playlists to import
    :param now: the newest moment that occurs in the data
    """
    moment = (now or datetime.now(UTC)).replace(microsecond=0)
    _lines(root / "data/aurora/playlists.txt", playlists)
    _aurora_plays(root / "data/aurora/plays", moment)
    _basalt_events(root / "data/basalt/events", moment)
    _cedar_catalogue(root / "data/cedar/catalogue")
    _cedar_charts(root / "data/cedar/charts", moment)
    _cedar_listeners(root / "data/cedar/listeners")


def _lines(path: Path, lines: Iterable[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def _person(number: int) -> dict[str, Any]:
    rng = Random(number)
    name = f"{rng.choice(GIVEN)} {rng.choice(FAMILY)}"
    return {
        "user_id": f"u{number:05}",
        "full_name": name,
        "email": f"listener{number}@mail.example",
        "birth_date": str(date(1950, 1, 1) + timedelta(days=rng.randrange(20_000))),
        "ip": f"198.51.{number % 256}.{rng.randrange(1, 255)}",
    }


def _aurora_plays(folder: Path, now: datetime) -> None:
    """Write a listening history in two files; five rows of it cannot be right."""
    rng = Random(1)
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for number in range(PLAYS):
        person = _person(rng.randrange(2_000))
        played = now - timedelta(seconds=(PLAYS - number) * 20)
        row = {
            "Event ID": f"p{number:07}",
            "Played At": played.isoformat(),
            "Ms Played": rng.randrange(5_000, 400_000),
            "Platform": rng.choice(("ios", "android", "web", "desktop")),
            "Track": rng.choice(('Say "Hello", Wave', "Norðurljós", "夜の電車", "Plain Song")),
            "User ID": person["user_id"],
            "Full Name": person["full_name"],
            "Email": person["email"],
            "IP Address": person["ip"],
            "Birth Date": person["birth_date"],
        }
        rows.append(row)
    rows[100]["Ms Played"], rows[101]["Ms Played"] = -1, 999_999_999
    rows[5_000]["Platform"], rows[15_000]["Played At"] = "fax", "yesterday"
    rows[15_001]["Event ID"] = ""
    for part in range(2):
        path = folder / f"plays-{part}.csv"
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, rows[0])
            writer.writeheader()
            writer.writerows(rows[part::2])


def _basalt_events(folder: Path, now: datetime) -> None:
    """Player events; one line is cut off, one has no id, one has an id of another kind."""
    rng = Random(2)
    lines = []
    for number in range(EVENTS):
        person = _person(rng.randrange(2_000))
        event = {
            "event_id": f"evt_{number}",
            "type": rng.choice(("start", "pause", "seek", "end")),
            "occurred_at": (now - timedelta(seconds=EVENTS - number)).isoformat(),
            "listenerEmail": person["email"],
            "deviceIp": person["ip"],
            "player": {"version": rng.choice(("5.1.0", "5.2.3")), "volume": rng.random()},
            "tags": rng.sample(["live", "radio", "offline", "hifi"], k=rng.randrange(3)),
        }
        lines.append(json.dumps(event, ensure_ascii=False))
    lines[10] = lines[10][:40]
    lines[20] = json.dumps({**json.loads(lines[20]), "event_id": None})
    lines[30] = json.dumps({**json.loads(lines[30]), "event_id": "no. 30"})
    _lines(folder / "events-1.jsonl", lines)


def _cedar_catalogue(folder: Path) -> None:
    rng = Random(3)
    folder.mkdir(parents=True, exist_ok=True)
    numbers = range(TRACKS)
    table = pa.table(
        {
            "track_id": pa.array(numbers, pa.int64()),
            "title": [f"{rng.choice(FAMILY)} no. {number}" for number in numbers],
            "isrc": [f"CAZZ1{number:07}" for number in numbers],
            "duration_ms": pa.array([rng.randrange(90_000, 420_000) for _ in numbers], pa.int32()),
            "released": [date(1970, 1, 1) + timedelta(days=rng.randrange(19_000)) for _ in numbers],
            "credits": [[{"role": "writer", "name": rng.choice(FAMILY)}] for _ in numbers],
        }
    )
    pq.write_table(table, folder / "catalogue.parquet", row_group_size=2_000)


def _cedar_charts(folder: Path, now: datetime) -> None:
    """Four weekly charts, with a semicolon between columns and the day before the month."""
    rng = Random(4)
    for week in range(4):
        day = now.date() - timedelta(weeks=week)
        places = [f"{day:%d-%m-%Y};{rank};{rng.randrange(TRACKS)}" for rank in range(1, 101)]
        _lines(folder / f"chart-{day:%Y-%m-%d}.csv", ["week;rank;track_id", *places])


def _cedar_listeners(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    rng = Random(5)
    with gzip.open(folder / "listeners.jsonl.gz", "wt", encoding="utf-8") as file:
        for number in range(LISTENERS):
            person = _person(number)
            record = {
                "listener_id": number,
                "email": person["email"],
                "phone": f"+1416555{number:04}",
                "city": rng.choice(("Toronto", "Montréal", "Halifax", "Iqaluit")),
                "joined_on": str(date(2020, 1, 1) + timedelta(days=rng.randrange(2_000))),
            }
            file.write(json.dumps(record, ensure_ascii=False) + "\n")
