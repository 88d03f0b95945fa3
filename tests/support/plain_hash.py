"""XXH64 and the finalizer of SplitMix64 in plain Python, as their specifications say."""

from __future__ import annotations

import struct

M = 2**64 - 1
P1, P2, P3 = 0x9E3779B185EBCA87, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9
P4, P5 = 0x85EBCA77C2B2AE63, 0x27D4EB2F165667C5


def rotated(x: int, bits: int) -> int:
    return ((x << bits) | (x >> (64 - bits))) & M


def rounded(accumulator: int, word: int) -> int:
    return rotated((accumulator + word * P2) & M, 31) * P1 & M


def xxh64(data: bytes, seed: int) -> int:
    """XXH64 as its specification says (https://github.com/Cyan4973/xxHash, doc/xxhash_spec.md)."""
    place = 0
    if len(data) >= 32:
        lanes = [(seed + P1 + P2) & M, (seed + P2) & M, seed & M, (seed - P1) & M]
        while place + 32 <= len(data):
            words = struct.unpack_from("<4Q", data, place)
            lanes = [rounded(lane, word) for lane, word in zip(lanes, words, strict=True)]
            place += 32
        h = sum(rotated(lane, bits) for lane, bits in zip(lanes, (1, 7, 12, 18), strict=True)) & M
        for lane in lanes:
            h = ((h ^ rounded(0, lane)) * P1 + P4) & M
    else:
        h = (seed + P5) & M
    h = (h + len(data)) & M
    for size, form in ((8, "<Q"), (4, "<I"), (1, "<B")):
        while place + size <= len(data) and not (size == 4 and place + 8 <= len(data)):
            (word,) = struct.unpack_from(form, data, place)
            if size == 8:
                h = (rotated(h ^ rounded(0, word), 27) * P1 + P4) & M
            elif size == 4:
                h = (rotated(h ^ (word * P1 & M), 23) * P2 + P3) & M
            else:
                h = rotated(h ^ (word * P5 & M), 11) * P1 & M
            place += size
    h = (h ^ (h >> 33)) * P2 & M
    h = (h ^ (h >> 29)) * P3 & M
    return h ^ (h >> 32)


def mix(x: int) -> int:
    x = (x + 0x9E3779B97F4A7C15) & M
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9 & M
    x = (x ^ (x >> 27)) * 0x94D049BB133111EB & M
    return x ^ (x >> 31)
