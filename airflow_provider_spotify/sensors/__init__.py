"""Sensors: wait, without holding a worker, until a source has something new."""

from __future__ import annotations
