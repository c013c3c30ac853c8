"""Tests of the transforms, on real Arrow data."""
