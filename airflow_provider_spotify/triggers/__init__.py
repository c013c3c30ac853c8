"""Triggers: what the triggerer runs for the sensors and for asset watchers."""

from __future__ import annotations
