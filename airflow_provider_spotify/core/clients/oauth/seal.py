"""The tokens of one credential, and how they are sealed before a store keeps them."""

from __future__ import annotations

import json
import os
import time
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

from airflow_provider_spotify.core.errors import ConfigurationError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_SALT, _NONCE = 16, 12
"""Bytes of what differs in every sealed value: the key's salt (RFC 5869) and GCM's nonce."""
_VERSION = b"1"


@dataclass(frozen=True, slots=True)
class Tokens:
    """What a token endpoint gave; its printed form shows no token.

    :param obtained: when it was asked for, ``expires`` when the access token is to be renewed,
        and ``ends`` when it can no longer be, where that matters (seconds since 1970: other
        machines read it)
    """

    access_token: str = field(repr=False)
    expires: float
    obtained: float = field(default_factory=time.time)
    refresh_token: str | None = field(default=None, repr=False)
    ends: float | None = None

    @property
    def fresh(self) -> bool:
        """Whether the access token may still be used."""
        return time.time() < self.expires


class Seal:
    """Encrypts tokens with AES-256-GCM under a key that is derived from the credential itself.

    So whoever reads the store, and does not hold the connection's secret, reads nothing; and a
    value cannot be passed off as another key's.

    :param secret: what only holders of the connection know
    """

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def close(self, tokens: Tokens, *, key: str) -> bytes:
        """Return the bytes that a store may keep under ``key``."""
        salt, nonce = os.urandom(_SALT), os.urandom(_NONCE)
        plain = json.dumps(asdict(tokens)).encode()
        return _VERSION + salt + nonce + self._cipher(salt).encrypt(nonce, plain, key.encode())

    def open(self, value: bytes, *, key: str) -> Tokens:
        """Return the tokens that ``close`` sealed.

        :raises ConfigurationError: if it did not, or the value was changed since
        """
        from cryptography.exceptions import InvalidTag

        version, rest = value[:1], value[1:]
        salt, nonce, sealed = rest[:_SALT], rest[_SALT : _SALT + _NONCE], rest[_SALT + _NONCE :]
        try:
            if version != _VERSION:
                raise InvalidTag
            found = json.loads(self._cipher(salt).decrypt(nonce, sealed, key.encode()))
            return Tokens(**found)
        except (InvalidTag, ValueError, TypeError):
            raise ConfigurationError(
                f"the token store's entry {key} is damaged; delete it and, if the connection's "
                "refresh token was spent since, authorise the application again"
            ) from None

    def _cipher(self, salt: bytes) -> AESGCM:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM
        from cryptography.hazmat.primitives.hashes import SHA256
        from cryptography.hazmat.primitives.kdf.hkdf import HKDF

        purpose = b"airflow-provider-spotify token store"
        derived = HKDF(algorithm=SHA256(), length=32, salt=salt, info=purpose)
        return AESGCM(derived.derive(self._secret))
