"""Protects the personal columns that a contract declares, as every batch passes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

import pyarrow as pa

from airflow_provider_spotify.core.config.rules import ColumnPlan, PiiRule
from airflow_provider_spotify.core.errors import ConfigurationError, DataError
from airflow_provider_spotify.core.model import MaskedColumn
from airflow_provider_spotify.core.transforms.casting import to_text
from airflow_provider_spotify.core.transforms.kernels import (
    Digest,
    Repeats,
    generalized,
    hashed,
    redacted,
    tokenized,
    truncated,
)
from airflow_provider_spotify.core.transforms.naming import require_snake_case
from airflow_provider_spotify.core.transforms.sealing import Cipher, Sealer, derive, require_key

__all__ = ["PII", "Privacy", "Sealer"]

PII = b"pii"
"""Field metadata of a personal column after privacy: the action that was taken."""

Action = Callable[[pa.Array], pa.Array]


class Privacy:
    """The personal columns of one import, and how each is protected.

    ``hash`` gives HMAC-SHA256 as 64 hexadecimal digits; ``tokenize`` gives ``tok_`` and 26
    characters; both are the same for the same value in every table of a tenant, and tell nothing
    about each other. ``encrypt`` gives ``v1:<key id>:<base64url>``. ``redact`` gives ``***``,
    ``truncate`` the first characters, ``generalize`` a period's start or a network. Null stays
    null. What is not text is protected by its text. A declared column that the data lacks is fine.

    :param key: the tenant's key; each purpose uses a key of its own derived from it
    :raises ConfigurationError: if an action needs a key and there is none
    """

    def __init__(self, columns: Mapping[str, ColumnPlan], *, key: bytes | None) -> None:
        require_snake_case(columns)
        require_key(key, columns)
        self._rules = {name: column.pii for name, column in columns.items() if column.pii}
        self._actions = {n: _action(n, r, key) for n, r in self._rules.items() if _changes(r)}
        self._seen: dict[str, str] = {}

    @property
    def masked(self) -> list[MaskedColumn]:
        """The columns of the data so far that were protected, and how."""
        return [MaskedColumn(name=name, action=action) for name, action in self._seen.items()]

    def apply(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Return the batch with its personal columns protected and marked, or gone.

        :raises ConfigurationError: if an action does not suit a column's type, a value was
            encrypted with another key, or no column would be left
        :raises DataError: if a value to decrypt was not encrypted by this provider
        """
        present = [name for name in batch.schema.names if name in self._rules]
        if not present:
            return batch
        fields: list[pa.Field] = []
        arrays: list[pa.Array] = []
        for field, array in zip(batch.schema, batch.columns, strict=True):
            rule = self._rules.get(field.name)
            if rule is not None and rule.action != "keep":
                self._seen[field.name] = rule.action
            if rule is not None and rule.action == "drop":
                continue
            new = self._actions[field.name](array) if field.name in self._actions else array
            arrays.append(new)
            fields.append(field if rule is None else _marked(field, new.type, rule))
        if not fields:
            raise ConfigurationError("every column is dropped by pii: drop; keep at least one")
        return pa.RecordBatch.from_arrays(arrays, schema=pa.schema(fields, batch.schema.metadata))


def _changes(rule: PiiRule) -> bool:
    return rule.action not in ("keep", "drop")


def _marked(field: pa.Field, kind: pa.DataType, rule: PiiRule) -> pa.Field:
    notes = field.metadata if kind == field.type else None
    return pa.field(field.name, kind, metadata={**(notes or {}), PII: rule.action.encode()})


def _action(name: str, rule: PiiRule, key: bytes | None) -> Action:
    """Return what to do with a column's array."""
    if rule.action == "truncate":
        assert rule.length is not None
        return partial(truncated, length=rule.length)
    if rule.action == "generalize":
        assert rule.to is not None
        return partial(generalized, to=rule.to, column=name)
    if rule.action == "redact":
        return redacted
    assert key is not None
    if rule.action in ("hash", "tokenize"):
        digest = Digest(derive(key, rule.action))
        function = partial(hashed if rule.action == "hash" else tokenized, digest=digest)
        repeats = Repeats(function)
        return lambda array: repeats.apply(to_text(array))
    cipher = Cipher(key, purpose="encrypt")
    if rule.action == "encrypt":
        return lambda array: _each(array, cipher.encrypt)
    return partial(_decrypted, cipher=cipher, column=name)


def _each(array: pa.Array, function: Callable[[str], str]) -> pa.StringArray:
    texts = to_text(array).to_pylist()
    return pa.array([None if text is None else function(text) for text in texts], pa.string())


def _decrypted(array: pa.Array, *, cipher: Cipher, column: str) -> pa.StringArray:
    try:
        return _each(array, cipher.decrypt)
    except (ConfigurationError, DataError) as error:
        raise type(error)(f"column {column!r}: {error}") from error
