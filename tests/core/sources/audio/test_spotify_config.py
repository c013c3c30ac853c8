"""The spotify source's configuration: where ids come from, and what is refused."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pydantic import ValidationError

from airflow_provider_spotify.core.errors import ConfigurationError
from airflow_provider_spotify.core.sources.audio.spotify import SOURCE, SpotifyConfig
from airflow_provider_spotify.core.sources.base import Wanted


def _write(folder: Path, kind: str, ids: list[str]) -> str:
    path = folder / f"ids.{kind}"
    if kind == "parquet":
        pq.write_table(pa.table({"track": ids, "n": range(len(ids))}), path)
        return str(path)
    text = {
        "csv": "n,track\n" + "".join(f'"a, b",{each}\n' for each in ids),
        "txt": "\n".join(ids) + "\n\n",
        "jsonl.gz": "".join(f'{{"track": "{each}"}}\n' for each in ids),
    }[kind].encode()
    path.write_bytes(gzip.compress(text) if kind.endswith("gz") else text)
    return str(path)


@pytest.mark.parametrize("kind", ["csv", "txt", "jsonl.gz", "parquet"])
def test_ids_are_read_from_a_column_of_files(tmp_path: Path, kind: str) -> None:
    """A glob is followed; blanks are no ids and repeated ones are kept once."""
    ids = [str(n) * 22 for n in range(5)]
    path = _write(tmp_path, kind, [*ids, "", ids[0]]).replace("ids.", "id*.")
    place = {"path": path, "column": None if kind == "txt" else "track"}
    source = SOURCE(SpotifyConfig.model_validate({"resource": "tracks", "ids_from": place}))
    assert source.keys == ids


def test_ids_of_a_table_ask_for_a_pipeline_that_knows_it() -> None:
    place = {"table": "plays", "column": "track_id"}
    source = SOURCE(SpotifyConfig.model_validate({"resource": "tracks", "ids_from": place}))
    assert source.wants() == Wanted("plays", "track_id", own="requested_id")
    with pytest.raises(ConfigurationError, match="plays"):
        _ = source.keys
    assert source.given(["1" * 22, None, f"spotify:track:{'1' * 22}"]).keys == ["1" * 22]
    assert source.given([]).keys == []


async def test_ids_of_a_table_are_ready_until_they_are_known() -> None:
    """Without the ids there may be something new; without any id there is nothing."""
    place = {"table": "plays", "column": "track_id"}
    source = SOURCE(SpotifyConfig.model_validate({"resource": "tracks", "ids_from": place}))
    assert await source.is_ready(None)
    assert not await source.given([]).is_ready(None)


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("none.csv", None, "no file matches|No such file|FileNotFoundError"),
        ("ids.csv", "a,b\n1,2\n", "no column 'track'; there are a, b"),
        ("ids.jsonl", '{"track": "x"}\nnonsense\n', "line 2: not JSON"),
        ("ids.parquet", "nonsense", "not a readable parquet file"),
        ("ids.xml", "<a/>", "must end in"),
    ],
)
def test_a_bad_ids_file_is_named_with_what_is_wrong(
    tmp_path: Path, name: str, text: str | None, says: str
) -> None:
    if text is not None:
        (tmp_path / name).write_text(text)
    place = {"path": str(tmp_path / name), "column": "track"}
    source = SOURCE(SpotifyConfig.model_validate({"resource": "tracks", "ids_from": place}))
    with pytest.raises(ConfigurationError, match=says) as raised:
        _ = source.keys
    assert name in str(raised.value)


@pytest.mark.parametrize(
    ("config", "says"),
    [
        ({"resource": "tracks"}, "needs either ids or ids_from"),
        ({"resource": "search"}, "search needs one"),
        ({"resource": "search", "query": "a", "ids": ["x"]}, "takes no ids"),
        ({"resource": "tracks", "ids": ["x"], "query": "a"}, "query belongs to"),
        ({"resource": "tracks", "ids": ["x"], "market": "Sweden"}, "market"),
        ({"resource": "new_releases", "app_mode": "development"}, "closed to apps"),
        ({"resource": "tracks", "ids_from": {"path": "a.csv"}}, "needs the column"),
        ({"resource": "tracks", "ids_from": {"column": "a"}}, "either a path or a table"),
        ({"resource": "songs", "ids": ["x"]}, "resource"),
        ({"resource": "tracks", "ids": ["x"], "api_url": "ftp://a/v1"}, "api_url"),
    ],
)
def test_a_configuration_that_cannot_work_is_refused(config: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        SpotifyConfig.model_validate(config)
