"""Which Unicode encoding the bytes of a text have that should be in latin-1, and the command that turns it back."""

from __future__ import annotations

import codecs
from typing import Final

_MARKS: Final = (
    # The mark of UTF-16 is how the one of UTF-32 begins.
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_SAMPLE: Final = 64


def unicode_of(raw: bytes) -> str | None:
    """The encoding, as ``iconv`` names it; None when the bytes are latin-1 for all that can be seen.

    ASCII without a byte order mark is latin-1 as well.
    """
    for mark, encoding in _MARKS:
        if raw.startswith(mark):
            return encoding
    # Latin letters have one byte of zero and one that says something; a file that was never written has none of these.
    even, odd = raw[0:_SAMPLE:2], raw[1:_SAMPLE:2]
    for zeros, letters, encoding in ((odd, even, "utf-16le"), (even, odd, "utf-16be")):
        if letters and all(letters) and not any(zeros):
            return encoding
    return "utf-8" if is_utf8(raw) else None


def is_utf8(raw: bytes) -> bool:
    """Whether the bytes are UTF-8 and not ASCII alone."""
    try:
        return not raw.isascii() and bool(raw.decode("utf-8"))
    except UnicodeDecodeError:
        return False


def to_latin1(raw: bytes, encoding: str, name: str) -> str:
    """The command that converts a file of this name.

    Args:
        raw: What is in the file.
        encoding: By `unicode_of`.
        name: Of the file.
    """
    # Latin-1 has no byte order mark, and iconv would fail on that of UTF-8.
    marked = raw.startswith(codecs.BOM_UTF8)
    convert = f"iconv -f {encoding} -t latin1"
    return f"{f'tail -c +4 {name} | {convert}' if marked else f'{convert} {name}'} > {name}.latin1"
