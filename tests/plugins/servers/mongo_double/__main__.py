"""The double as a process: ``python -m tests.plugins.servers.mongo_double PORT [REPLICA_SET]``; accounts on stdin."""

from __future__ import annotations

import itertools
import json
import signal
import socket
import struct
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import bson
from bson.codec_options import CodecOptions
from bson.raw_bson import RawBSONDocument

from tests.plugins.servers.mongo_double.commands import Client, Document, Double

HEAD = struct.Struct("<iiii")
MESSAGE, QUERY, REPLY = 2013, 2004, 1
_MORE_TO_COME = 2
_PLAIN: CodecOptions[dict[str, Any]] = CodecOptions(dict, tz_aware=True)


def exactly(way: socket.socket, size: int) -> bytes:
    """Raises ConnectionError where the other side goes."""
    data = bytearray()
    while len(data) < size:
        piece = way.recv(min(size - len(data), 1 << 20))
        if not piece:
            raise ConnectionResetError
        data += piece
    return bytes(data)


def command_of(body: bytes) -> tuple[Document, int]:
    """Of an OP_MSG: one document, and sequences of documents, which are left as they are. Flags with it."""
    (flags,) = struct.unpack_from("<I", body)
    at, end = 4, len(body) - (4 if flags & 1 else 0)
    command: Document = {}
    sequences: Document = {}
    while at < end:
        kind = body[at]
        (size,) = struct.unpack_from("<i", body, at + 1)
        whole = body[at + 1 : at + 1 + size]
        at += 1 + size
        if kind == 0:
            command = bson.decode(whole, _PLAIN)
            continue
        name, _, documents = whole[4:].partition(b"\0")
        found = []
        while documents:
            (length,) = struct.unpack_from("<i", documents)
            piece, documents = documents[:length], documents[length:]
            found.append(RawBSONDocument(piece) if name == b"documents" else bson.decode(piece, _PLAIN))
        sequences[name.decode()] = found
    return {**command, **sequences}, flags


class Port:
    """Where it listens, and who is connected."""

    def __init__(self, port: int, double: Double) -> None:
        self._port = port
        self._double = double
        self._lock = threading.Lock()
        self._numbers = itertools.count(1)
        self._ways: set[socket.socket] = set()
        self._listening: socket.socket | None = None

    def open(self) -> None:
        listening = socket.create_server(("127.0.0.1", self._port), backlog=64)
        self._listening = listening
        threading.Thread(target=self._accept, args=(listening,), daemon=True).start()

    def close(self) -> None:
        if self._listening is not None:
            for way in (self._listening, *self._ways):
                with suppress(OSError):
                    way.shutdown(socket.SHUT_RDWR)
                way.close()
            self._listening = None

    def _accept(self, listening: socket.socket) -> None:
        with suppress(OSError):
            while True:
                way, _ = listening.accept()
                way.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._ways.add(way)
                threading.Thread(target=self._serve, args=(way,), daemon=True).start()

    def _serve(self, way: socket.socket) -> None:
        client = Client(known=not self._double.accounts)
        with suppress(OSError), way:
            while True:
                size, number, _, kind = HEAD.unpack(exactly(way, HEAD.size))
                body = exactly(way, size - HEAD.size)
                answer = self._message(client, body) if kind == MESSAGE else self._query(client, body)
                if answer is not None:
                    kind = MESSAGE if kind == MESSAGE else REPLY
                    way.sendall(HEAD.pack(len(answer) + HEAD.size, next(self._numbers), number, kind) + answer)
        self._ways.discard(way)

    def _message(self, client: Client, body: bytes) -> bytes | None:
        command, flags = command_of(body)
        with self._lock:
            answer = bson.encode(self._double.answer(client, command))
        return None if flags & _MORE_TO_COME else struct.pack("<IB", 0, 0) + answer

    def _query(self, client: Client, body: bytes) -> bytes:
        after = body.index(b"\0", 4) + 1 + 8
        (size,) = struct.unpack_from("<i", body, after)
        command = bson.decode(body[after : after + size], _PLAIN)
        with self._lock:
            answer = bson.encode(self._double.answer(client, command))
        return struct.pack("<iqii", 8, 0, 0, 1) + answer


def main() -> None:
    port, replica_set = int(sys.argv[1]), "".join(sys.argv[2:3])
    accounts = json.loads(sys.stdin.read() or "{}")
    signals = {signal.SIGUSR1, signal.SIGUSR2, signal.SIGTERM}
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    here = Port(port, Double(replica_set, accounts))
    here.open()
    doing: dict[int, Callable[[], None]] = {signal.SIGUSR1: here.close, signal.SIGUSR2: here.open}
    while (got := signal.sigwait(signals)) != signal.SIGTERM:
        doing[got]()


main()
