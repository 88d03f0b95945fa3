"""The checksums that Spark's file system keeps beside every file on a local disk: ``.<name>.crc``.

Hadoop's ``ChecksumFileSystem``: the letters ``crc`` and a zero, the bytes per checksum as a big-endian 32-bit integer,
then a CRC-32 (that of zlib), big-endian, for each so many bytes. Spark compares them whenever it reads; Polars and
delta-rs do not.
"""

from __future__ import annotations

import os
import struct
import zlib
from pathlib import Path

from feature_groups.store.table_files import CheckedFile

_MAGIC = b"crc\x00"
_HEAD = 8
_BLOCK = 2048
"""Checksums compared at a time."""


def checked_file(folder: str, name: str) -> CheckedFile:
    """Read a file and compare it with its checksum, where there is one.

    Args:
        folder: Of the table.
        name: The file's path in it.
    """
    path = Path(folder, name)
    beside = path.with_name(f".{path.name}.crc")
    size = path.stat().st_size
    try:
        sums = beside.read_bytes() if beside.exists() else b""
        return CheckedFile(name, size, _problem(path, size, sums) if sums else "", bool(sums))
    except OSError as error:
        return CheckedFile(name, size, f"cannot be read: {os.strerror(error.errno or 0)}", bool(beside.exists()))


def _problem(path: Path, size: int, sums: bytes) -> str:
    if sums[:4] != _MAGIC or len(sums) < _HEAD or (step := struct.unpack(">I", sums[4:_HEAD])[0]) == 0:
        return "has a checksum file that is none"
    wanted = struct.unpack(f">{(len(sums) - _HEAD) // 4}I", sums[_HEAD : _HEAD + (len(sums) - _HEAD) // 4 * 4])
    if (pieces := -(-size // step)) != len(wanted):
        return f"has {size:,} bytes, its checksums are of {len(wanted) - 1:,} to {len(wanted):,} times {step} bytes"
    with path.open("rb") as file:
        for first in range(0, pieces, _BLOCK):
            block = memoryview(file.read(step * _BLOCK))
            for number, expected in enumerate(wanted[first : first + _BLOCK]):
                if zlib.crc32(block[number * step : (number + 1) * step]) != expected:
                    return f"was changed since it was written, near byte {(first + number) * step:,}"
    return ""
