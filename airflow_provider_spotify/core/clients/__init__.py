"""Clients: how to speak to a system, shared by sources, sinks and hooks."""
