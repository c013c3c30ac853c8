"""What Segment's webhook destination posts: whether it is Segment's, and which rows it holds.

https://segment.com/docs/connections/destinations/catalog/webhooks/: with a shared secret each
request is signed by ``X-Signature``, the HMAC-SHA1 of the body in hex; of a batch, which is a list,
only its first message is signed.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from airflow_provider_spotify.core.errors import ConfigurationError, DataError
from airflow_provider_spotify.core.sources.analytics._segment_messages import COLUMNS, misfit

if TYPE_CHECKING:
    import pyarrow as pa

    from airflow_provider_spotify.core.sources.web.rows import Record, Reject


def is_signed(body: bytes, signature: str | None, *, secret: str) -> bool:
    """Say whether a body comes from who knows the secret.

    :param body: as it arrived, byte for byte
    :param signature: the header ``X-Signature``
    :raises ConfigurationError: if the secret is empty: then anybody could sign
    """
    if not secret:
        raise ConfigurationError(
            "the shared secret of the Segment webhook is empty; set the one of the destination's "
            "advanced settings"
        )
    given = (signature or "").strip().lower().encode()
    # Every candidate is compared, so that the time taken tells nothing.
    found = [hmac.compare_digest(_digest(part, secret), given) for part in _signed_parts(body)]
    return any(found)


def _digest(part: bytes, secret: str) -> bytes:
    return hmac.new(secret.encode(), part, hashlib.sha1).hexdigest().encode()


def _signed_parts(body: bytes) -> Iterator[bytes]:
    """Yield what may have been signed: the body; of a list, its first message as it is written."""
    yield body
    text = body.decode(errors="replace").strip()
    if text.startswith("["):
        inner = text[1:].lstrip()
        try:
            _, end = json.JSONDecoder().raw_decode(inner)
        except ValueError:
            return
        yield inner[:end].encode()


def messages(body: bytes) -> list[Any]:
    """Return the messages of a body: one object, a list, or an object with ``batch``.

    A batch's own ``sentAt`` and ``context`` hold for those of its messages that have none
    (https://segment.com/docs/connections/sources/catalog/libraries/server/http-api/#batch).

    :raises DataError: if it is none of these
    """
    try:
        found = json.loads(body)
    except ValueError:
        raise DataError("the body of a Segment webhook is no JSON") from None
    if isinstance(found, list):
        return found
    if not isinstance(found, dict):
        raise DataError(f"the body of a Segment webhook is a {type(found).__name__}, no object")
    batch = found.get("batch")
    if not isinstance(batch, list):
        return [found]
    shared = {key: found[key] for key in ("sentAt", "context", "integrations") if key in found}
    return [{**shared, **each} if isinstance(each, dict) else each for each in batch]


def batch(
    found: Sequence[Any], *, source: str = "", location: str = "webhook"
) -> tuple[pa.RecordBatch, pa.RecordBatch | None]:
    """Return messages as rows, and those that are none as rejected records.

    :param source: id of the Segment source, for messages that do not tell it
    :param location: where they come from; the number of each is added
    """
    from airflow_provider_spotify.core.sources.web import rows

    places = ((message, f"{location}:{number}") for number, message in enumerate(found, 1))
    records, rejected = sorted_out(places, source=source)
    built, misfits = rows.rows(COLUMNS, records)
    return built, rows.rejected([*rejected, *misfits])


def sorted_out(found: Any, *, source: str) -> tuple[list[Record], list[Reject]]:
    """Tell messages from what is none.

    :param found: pairs of a value and its place
    """
    from airflow_provider_spotify.core.sources.web.rows import Record, Reject

    records, rejected = [], []
    for message, place in found:
        if reason := misfit(message):
            rejected.append(Reject(message, reason, place))
        else:
            records.append(Record({"source": source}, message, place))
    return records, rejected
