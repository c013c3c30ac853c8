"""Streams: brokers and sockets."""
