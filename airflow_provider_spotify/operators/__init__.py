"""Operators: one per source, each an import in the words of the YAML."""

from __future__ import annotations
