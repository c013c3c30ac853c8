"""Turns the names that sources use into the names that tables use."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterable

from airflow_provider_spotify.core.errors import ConfigurationError

_MAX_BYTES = (
    63  # https://www.postgresql.org/docs/current/limits.html: longer names are cut silently
)
_HUMPS = re.compile(
    r"(?<=[a-z0-9])(?=[A-Z])"  # userId, utm2Source
    r"|(?<=[A-Z])(?=[A-Z][a-rt-z])|(?<=[A-Z])(?=[A-Z]s[a-z])"  # HTTPServer, but not userIDs
)


def snake_case(name: str, *, position: int = 1) -> str:
    """Return the column name that a source's name becomes.

    Words are split at case changes and at everything that is neither letter nor digit; accents
    on Latin letters go, other scripts stay. A name that starts with a digit gets an underscore
    before it, one with no letter or digit becomes ``column_<position>``, and one longer than
    63 bytes is cut and ends in a hash of the whole. Applying it twice changes nothing.

    :param position: the column's place in its source, from 1
    """
    latin = "".join(map(_unaccented, unicodedata.normalize("NFKC", name)))
    lead = "_" if re.match(r"_+[^\W_]", latin) else ""
    words = re.sub(r"[\W_]+", "_", _HUMPS.sub("_", latin)).strip("_").lower()
    words = re.sub(r"[\W_]+", "_", words).strip("_")  # lower() may add a combining mark
    if not words:
        return f"column_{position}"
    if words[0].isdigit():
        lead = "_"
    return _fitted(lead + words)


def _unaccented(letter: str) -> str:
    base = unicodedata.normalize("NFKD", letter)[:1]
    return base if base.isascii() and base.isalpha() else letter


def _fitted(name: str) -> str:
    raw = name.encode()
    if len(raw) <= _MAX_BYTES:
        return name
    digest = hashlib.blake2b(raw, digest_size=4).hexdigest()
    kept = raw[: _MAX_BYTES - 9].decode(errors="ignore").rstrip("_")
    return f"{kept}_{digest}"


def require_snake_case(names: Iterable[str]) -> None:
    """Refuse declared columns that could never match: data arrives under snake_case names.

    :raises ConfigurationError: if one is written otherwise; the message gives the right form
    """
    for name in names:
        wanted = snake_case(name)
        if wanted != name:
            raise ConfigurationError(
                f"contract.columns.{name}: columns are declared by their name in the table; "
                f"write {wanted} (and source_name: {name!r} if the source's name is unusual)"
            )
