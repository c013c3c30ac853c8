"""Telling people: when an import failed, succeeded, or missed its SLA."""

from __future__ import annotations
