"""Conformance suites and fakes for those who write sources and sinks."""
