"""Transforms: contract, then quality, then privacy, over every batch."""
