"""Compliance: requests, audit logs and reports."""
