"""Sinks: where rows, rejects, cursor and ledger commit together."""
