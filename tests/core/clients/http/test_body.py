"""The codings of a body: undone a little at a time, whole or an error."""

from __future__ import annotations

import gzip
import zlib

import pytest

from airflow_provider_spotify.core.clients.http.body import BLOCK, decoder
from airflow_provider_spotify.core.errors import DataError

MIB = 1024 * 1024


@pytest.mark.parametrize("step", [1, 7, 1000, MIB])
def test_members_of_gzip_follow_each_other_however_they_are_cut(step):
    data = gzip.compress(b"one") + gzip.compress(b"") + gzip.compress(b"two" * 9999) + bytes(100)
    undo = decoder({"content-encoding": "gzip"}, where="GET x")
    given = b"".join(b for at in range(0, len(data), step) for b in undo.feed(data[at : at + step]))
    undo.end(framed=True)
    assert given == b"one" + b"two" * 9999


def test_deflate_comes_with_its_frame_or_without():
    bare = zlib.compressobj(9, zlib.DEFLATED, -15)
    for data in (zlib.compress(b"text"), bare.compress(b"text") + bare.flush()):
        undo = decoder({"content-encoding": "deflate"}, where="GET x")
        assert b"".join(undo.feed(data)) == b"text"
        undo.end(framed=True)


def test_blocks_have_a_bound():
    undo = decoder({"content-encoding": "gzip"}, where="GET x")
    sizes = [len(block) for block in undo.feed(gzip.compress(bytes(10 * MIB)))]
    assert max(sizes) == BLOCK
    assert sum(sizes) == 10 * MIB


def test_a_coding_that_was_not_asked_for_is_named():
    with pytest.raises(DataError, match="'br'"):
        decoder({"content-encoding": "br"}, where="GET x")
