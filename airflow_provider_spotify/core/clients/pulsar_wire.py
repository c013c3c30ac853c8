"""Protobuf's wire format, as far as Pulsar's commands and message ids need it.

https://protobuf.dev/programming-guides/encoding/
"""

from __future__ import annotations

from collections.abc import Iterator

_LENGTH = 2  # the wire type of texts, bytes and messages


def number(field: int, value: int) -> bytes:
    """Write an integer field."""
    return _varint(field << 3) + _varint(value)


def message(field: int, value: bytes) -> bytes:
    """Write a field that is a message or bytes."""
    return _varint(field << 3 | _LENGTH) + _varint(len(value)) + value


def text(field: int, value: str) -> bytes:
    """Write a field that is a text."""
    return message(field, value.encode())


def _varint(value: int) -> bytes:
    data = bytearray()
    while value > 0x7F:
        data.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*data, value])


def fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Yield the fields of a message that holds integers, texts and messages only."""
    at = 0
    while at < len(data):
        key, at = _read(data, at)
        value, at = _read(data, at)
        if key & 7 == _LENGTH:
            yield key >> 3, data[at : at + value]
            at += value
        else:
            yield key >> 3, value


def _read(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if not byte & 0x80:
            return value, at
