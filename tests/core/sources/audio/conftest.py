"""Gives the tests of this folder the contract server."""

from __future__ import annotations

from tests.services.spotify_api.fixtures import spotify

__all__ = ["spotify"]
