"""Folders of tenant YAML as versioned DAG bundles."""

from __future__ import annotations
