"""Zip archives whose bytes depend on nothing but the files in them: sorted, stored, with one fixed date."""

from __future__ import annotations

import io
from collections.abc import Mapping
from zipfile import ZIP_STORED, BadZipFile, ZipFile, ZipInfo

_DATE = (1980, 1, 1, 0, 0, 0)
_UNIX = 3


def still_zip(files: Mapping[str, bytes]) -> bytes:
    """The files as an archive."""
    buffer = io.BytesIO()
    with ZipFile(buffer, "w", ZIP_STORED) as archive:
        for name in sorted(files):
            info = ZipInfo(name, _DATE)
            info.create_system = _UNIX
            archive.writestr(info, files[name])
    return buffer.getvalue()


def read_zip(data: bytes, *, compressed: bool = False) -> dict[str, bytes]:
    """The files of an archive, in memory; a name is only a key here, never a path.

    Args:
        data: The archive.
        compressed: Whether files in it may be; else what comes out is never larger than what went in.

    Raises:
        BadZipFile: It is none, a checksum is wrong, or two files have one name.
    """
    with ZipFile(io.BytesIO(data)) as archive:
        infos = archive.infolist()
        if len({info.filename for info in infos}) != len(infos):
            raise BadZipFile("two files have one name")
        if not compressed and any(info.compress_type != ZIP_STORED for info in infos):
            raise BadZipFile("a file in it is compressed")
        return {info.filename: archive.read(info) for info in infos}
