"""CRC-32C (Castagnoli), by which Google guards values on their way. Pure."""

from __future__ import annotations

_POLYNOMIAL = 0x82F63B78  # RFC 3720, B.4, reflected


def _row(number: int) -> int:
    for _ in range(8):
        number = (number >> 1) ^ (_POLYNOMIAL if number & 1 else 0)
    return number


_TABLE = tuple(map(_row, range(256)))


def crc32c(content: bytes) -> int:
    """Return the checksum; 64 KiB take some milliseconds."""
    crc, table = 0xFFFFFFFF, _TABLE
    for byte in content:
        crc = table[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    return crc ^ 0xFFFFFFFF
