"""Local stand-ins for Segment: its Profile API, its Public API, and the logs that it writes.

Contracts: https://segment.com/docs/unify/profile-api/, https://docs.segmentapis.com and
https://segment.com/docs/connections/storage/catalog/aws-s3/#data-format, read 2026-11-22.
"""
