"""Hooks: how Airflow's connections reach the systems that imports read and write."""

from __future__ import annotations
