"""A contract server of GraphQL over HTTP."""

from __future__ import annotations
