"""A tenant's keys, and the encryption of single values and of rejected records."""

from __future__ import annotations

import base64
import binascii
import os
from collections.abc import Mapping, Sequence
from typing import Any, Final

import orjson
import pyarrow as pa

from airflow_provider_spotify.core.config.rules import KEYED_ACTIONS, ColumnPlan
from airflow_provider_spotify.core.errors import ConfigurationError, DataError
from airflow_provider_spotify.core.rejects import REJECTED_SCHEMA
from airflow_provider_spotify.core.transforms.applied import to_json
from airflow_provider_spotify.core.transforms.naming import snake_case

REDACTED = "***"
_VERSION = "v1"
_NONCE = 12  # bytes; NIST SP 800-38D asks for 96 bits
_TAG = 16
_MIN_KEY = 16
_MIN_SCRUBBED = 3
UNREADABLE: Final = to_json(
    {"withheld": "this record may hold personal data, and the tenant has no key to seal it with"}
)
"""What stands for a record that has no fields to redact."""


def derive(key: bytes, purpose: str) -> bytes:
    """Derive the 32-byte key of one purpose by HKDF-SHA256 (RFC 5869), so none reveals another."""
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    info = f"airflow-provider-spotify/{purpose}".encode()
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=info).derive(key)


def require_key(key: bytes | None, columns: Mapping[str, ColumnPlan]) -> None:
    """Refuse a plan that needs a key and has none, or a key that is too short.

    :raises ConfigurationError: naming the columns that need it, never the key
    """
    if key is not None and len(key) < _MIN_KEY:
        raise ConfigurationError(
            f"the tenant's privacy key has fewer than {_MIN_KEY} bytes; give the connection that "
            f"privacy.key names a longer password, such as 32 random bytes in base64"
        )
    needy = [n for n, c in columns.items() if c.pii is not None and c.pii.action in KEYED_ACTIONS]
    if key is None and needy:
        raise ConfigurationError(
            f"columns {', '.join(needy)} are hashed, encrypted, decrypted or tokenized, but the "
            f"tenant has no key; set privacy.key to the connection whose password it is"
        )


class Cipher:
    """AES-256-GCM under a tenant's key, as text: ``v1:<key id>:<base64url(nonce + ciphertext)>``.

    Version and key id are authenticated with the value. The key id is derived from the key and
    does not reveal it.

    :param purpose: values sealed for one purpose cannot be opened for another
    """

    def __init__(self, key: bytes, *, purpose: str) -> None:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        self.key_id = derive(key, "key id").hex()[:8]
        self._prefix = f"{_VERSION}:{self.key_id}:"
        self._bound = self._prefix.encode()
        self._aes = AESGCM(derive(key, purpose))

    def encrypt(self, text: str) -> str:
        """Encrypt a text; the same text never gives the same value twice."""
        nonce = os.urandom(_NONCE)
        sealed = nonce + self._aes.encrypt(nonce, text.encode(), self._bound)
        return self._prefix + base64.urlsafe_b64encode(sealed).decode()

    def decrypt(self, value: str) -> str:
        """Decrypt what ``encrypt`` gave.

        :raises ConfigurationError: if another key encrypted it
        :raises DataError: if it is not an encrypted value, or was tampered with
        """
        from cryptography.exceptions import InvalidTag

        version, _, rest = value.partition(":")
        key_id, _, body = rest.partition(":")
        if version != _VERSION or not body:
            raise DataError("a value is not one that this provider encrypted (it is not shown)")
        if key_id != self.key_id:
            raise ConfigurationError(
                f"a value was encrypted with the key {key_id!r}, and this tenant's key is "
                f"{self.key_id!r}; decrypt it with the tenant's key of that time"
            )
        try:
            raw = base64.b64decode(body, altchars=b"-_", validate=True)
            plain = self._aes.decrypt(raw[:_NONCE], raw[_NONCE:], self._bound)
        except (InvalidTag, ValueError, binascii.Error) as error:
            raise DataError("an encrypted value is damaged or belongs elsewhere") from error
        return plain.decode()

    def sealed(self, value: str) -> bool:
        """Tell whether a text looks like one that ``encrypt`` gave, with whatever key."""
        version, _, rest = value.partition(":")
        return version == _VERSION and rest[8:9] == ":" and len(rest) > _NONCE + _TAG


class Sealer:
    """Protects the rejected records of an import whose contract declares personal columns.

    With a key the whole record is encrypted, because a row that broke the contract may hold
    anything anywhere. Without one, personal fields are redacted or removed at any depth, by their
    names in the source and in the table; a record of the source's stage, or one that is no JSON
    object, is withheld. A personal value that a reason repeats is blotted out.

    :raises ConfigurationError: if an action needs a key and there is none
    """

    def __init__(self, columns: Mapping[str, ColumnPlan], key: bytes | None) -> None:
        require_key(key, columns)
        self._actions: dict[str, str] = {}
        for name, column in columns.items():
            if column.pii is not None:
                self._actions[name] = column.pii.action
                self._actions[snake_case(column.source_name or name)] = column.pii.action
        self._cipher = None if key is None else Cipher(key, purpose="rejected record")

    def seal(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Return rejected records without a personal value in clear."""
        if not self._actions or batch.num_rows == 0:
            return batch
        rows = batch.to_pylist()
        sealed = [self._row(row) for row in rows]
        return pa.RecordBatch.from_pylist(sealed, schema=REJECTED_SCHEMA)

    def unseal(self, record: str) -> str:
        """Return a record as it was rejected; one that was never sealed comes back as it is.

        :raises ConfigurationError: if there is no key, or another key sealed it
        """
        if self._cipher is not None and self._cipher.sealed(record):
            return self._cipher.decrypt(record)
        if record.startswith(f"{_VERSION}:"):
            raise ConfigurationError(
                "the record is sealed, and there is no key to open it; "
                "set privacy.key to the connection that held it"
            )
        return record

    def _row(self, row: Mapping[str, Any]) -> dict[str, Any]:
        fields = _object(row["record"])
        reason = row["reason"]
        for value in self._personal(fields):
            reason = reason.replace(value, REDACTED)
        return {**row, "reason": reason, "record": self._record(row, fields)}

    def _record(self, row: Mapping[str, Any], fields: Mapping[str, Any] | None) -> str:
        if self._cipher is not None:
            return self._cipher.encrypt(row["record"])
        if fields is None or row["stage"] == "source":
            return UNREADABLE
        return to_json(self._redacted(fields))

    def _redacted(self, value: Any) -> Any:
        if isinstance(value, list):
            return [self._redacted(item) for item in value]
        if not isinstance(value, Mapping):
            return value
        kept: dict[str, Any] = {}
        for name, inner in value.items():
            action = self._actions.get(snake_case(name))
            if action is None or action == "keep":
                kept[name] = self._redacted(inner)
            elif action != "drop":
                kept[name] = None if inner is None else REDACTED
        return kept

    def _personal(self, value: Any) -> Sequence[str]:
        """Return the texts of personal fields, longest first."""
        found: set[str] = set()
        if isinstance(value, list):
            found = {text for item in value for text in self._personal(item)}
        elif isinstance(value, Mapping):
            for name, inner in value.items():
                personal = snake_case(name) in self._actions
                found.update(_texts(inner) if personal else self._personal(inner))
        return sorted(found, key=len, reverse=True)


def _object(record: str) -> Mapping[str, Any] | None:
    try:
        value = orjson.loads(record)
    except orjson.JSONDecodeError:
        return None
    return value if isinstance(value, dict) else None


def _texts(value: Any) -> list[str]:
    """Return every text inside a value that is long enough to name somebody."""
    if isinstance(value, Mapping):
        return [text for inner in value.values() for text in _texts(inner)]
    if isinstance(value, list):
        return [text for inner in value for text in _texts(inner)]
    text = "" if value is None or isinstance(value, bool) else str(value)
    return [text] if len(text) >= _MIN_SCRUBBED else []
