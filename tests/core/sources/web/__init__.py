"""Tests of what sources of web APIs share."""
