"""A contract server of X's API v2."""

from __future__ import annotations
