"""What Last.fm knows by two names: a track or an album, by its artist and its own."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import quote_plus, unquote_plus

from pydantic import Field, model_validator

from airflow_provider_spotify.core.model import Frozen

_TEXT = re.compile(r"(?P<artist>[^/]+)/(_/)?(?P<name>[^/]+)")


class Work(Frozen):
    """A track or an album.

    Its text is that of its page's address, ``Cher/_/Believe``: it is the key in messages, and by
    digest in cursors.
    """

    artist: str = Field(min_length=1, description="the artist's name")
    name: str = Field(min_length=1, description="the title")

    @model_validator(mode="before")
    @classmethod
    def _from_text(cls, value: Any) -> Any:
        found = _TEXT.fullmatch(value) if isinstance(value, str) else None
        if found is None:
            return value
        return {part: unquote_plus(found[part]) for part in ("artist", "name")}

    def __str__(self) -> str:
        return f"{quote_plus(self.artist)}/_/{quote_plus(self.name)}"
