"""InfluxDB's own protocol for backups, as little of it as ``influxd restore`` leaves undone: a shard is opened anew.

A portable restore leaves out the files that say what was deleted (``*.tombstone``), so deleted points are there again.
They are put beside the shard's other files, and take effect when the shard is opened: an update of a shard with no
files closes and opens it. Source: ``services/snapshotter`` of InfluxDB 1.6.
"""

from __future__ import annotations

import socket
import struct

from dysnomia_plugins.errors import PluginError, ServerDown

_SERVICE = b"\x03"
"""The byte that begins a conversation with the snapshot service (``MuxHeader``)."""
_UPDATE_SHARD = 7
"""``RequestShardUpdate`` of 1.6."""
_EMPTY_TAR = bytes(1024)
_TIMEOUT = 60.0


def reopen_shard(address: tuple[str, int], shard: int) -> None:
    """Close and open a shard. Its points cannot be read for a moment. Raises ServerDown, PluginError."""
    try:
        with socket.create_connection(address, _TIMEOUT) as connection:
            connection.sendall(_SERVICE + struct.pack(">BQ", _UPDATE_SHARD, shard) + _EMPTY_TAR)
            connection.shutdown(socket.SHUT_WR)
            said = connection.recv(4096)
    except OSError as error:
        raise ServerDown(
            f"InfluxDB's port for backups, {address[0]}:{address[1]}, does not answer ({error.strerror or error})",
            "check bind-address in its configuration",
        ) from error
    if said:
        raise PluginError(f"shard {shard} could not be opened again: {said[:200].decode('utf-8', 'replace')}")
