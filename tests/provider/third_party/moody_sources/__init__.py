"""A third party's sources, as another distribution would bring them."""

from __future__ import annotations
