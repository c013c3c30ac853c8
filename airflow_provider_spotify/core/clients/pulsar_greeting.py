"""Greets a Pulsar broker as its client does, to hear at once what is wrong, in its own words.

The client library connects again and again until its time is over, also where the broker refuses
the credentials, and then says TimeOut (pulsar-client 3.13 with a broker of 4.0, 2026-11-22).
https://pulsar.apache.org/docs/next/developing-binary-protocol/#connection-establishment
"""

from __future__ import annotations

import socket
import ssl
import struct
from typing import NamedTuple
from urllib.parse import urlsplit

from airflow_provider_spotify.core.clients.pulsar_wire import fields, message, number, text
from airflow_provider_spotify.core.errors import AuthenticationError, TransientError

_CONNECT, _CONNECTED, _ERROR = 2, 3, 14
"""Of ``BaseCommand.Type``, and the fields of ``BaseCommand`` that hold these commands:
https://github.com/apache/pulsar/blob/master/pulsar-common/src/main/proto/PulsarApi.proto"""
_REFUSED = 3  # ServerError.AuthenticationError
_PROTOCOL = 19
_LONGEST = 5 * 1024 * 1024


class Proof(NamedTuple):
    """How a client signs in: ``token`` or ``basic``, with the secret; none: anonymous."""

    method: str
    secret: str


def greet(address: str, *, proof: Proof | None, tls: ssl.SSLContext | None, timeout: float) -> None:
    """Connect and sign in to one of the brokers of an address, and leave again.

    :param address: ``pulsar://host:port``, or several of them after commas
    :raises AuthenticationError: if the credentials are refused
    :raises TransientError: if no broker answers
    """
    scheme, _, hosts = address.partition("://")
    said = ""
    for host in hosts.split(","):
        one = urlsplit(f"{scheme}://{host}")
        try:
            with socket.create_connection((one.hostname, one.port), timeout=timeout) as raw:
                wire = tls.wrap_socket(raw, server_hostname=one.hostname) if tls else raw
                with wire:
                    answer = _exchange(wire, _hello(proof))
        except OSError as error:
            said = str(error)
            continue
        _judge(answer, f"{scheme}://{host}", proof)
        return
    raise TransientError(f"{address}: no broker answers: {said}")


def _hello(proof: Proof | None) -> bytes:
    connect = text(1, "airflow-provider-spotify")
    if proof:
        connect += text(3, proof.secret) + text(5, proof.method)
    connect += number(4, _PROTOCOL)
    command = number(1, _CONNECT) + message(_CONNECT, connect)
    return struct.pack(">II", len(command) + 4, len(command)) + command


def _exchange(wire: socket.socket, hello: bytes) -> bytes:
    wire.sendall(hello)
    size = struct.unpack(">II", _exactly(wire, 8))[1]
    if size > _LONGEST:
        raise ConnectionError("what answers is no Pulsar broker")
    return _exactly(wire, size)


def _exactly(wire: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        if not (more := wire.recv(size - len(data))):
            raise ConnectionError("the broker closed the connection")
        data += more
    return data


def _judge(answer: bytes, where: str, proof: Proof | None) -> None:
    command = dict(fields(answer))
    if command.get(1) != _ERROR:
        return
    error = dict(fields(bytes(command[_ERROR])))
    said = bytes(error.get(3, b"")).decode(errors="replace")
    if proof:
        said = said.replace(proof.secret, "***")
    if error.get(2) == _REFUSED:
        raise AuthenticationError(f"{where}: the broker refuses the credentials: {said}")
    raise TransientError(f"{where}: the broker refuses the connection: {said}")
