"""Reads the uncompressed OpenEXR files that Blender writes: numpy alone is there for it."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np

_TYPES = {0: np.dtype("<u4"), 1: np.dtype("<f2"), 2: np.dtype("<f4")}


def read(path: Path) -> dict[str, np.ndarray]:
    """The channels of the file by name, such as `ViewLayer.Depth.Z`: [height, width] each.

    One part, scan lines, no compression; `ValueError` for any other file.
    Source: OpenEXR file layout, openexr.com/en/latest/OpenEXRFileLayout.html.
    """
    content = path.read_bytes()
    magic, version = struct.unpack_from("<II", content)
    # The higher bits say that it has tiles, deep data or several parts; bit 10 is long names.
    if magic != 20000630 or version & 0xFF != 2 or version & ~0x4FF:
        raise ValueError(f"{path.name} is no OpenEXR file of one part in scan lines")
    header, at = _header(content, 8)
    if header["compression"] != b"\0":
        raise ValueError(f"{path.name} is compressed")
    left, top, right, bottom = struct.unpack("<4i", header["dataWindow"])
    width, height = right - left + 1, bottom - top + 1
    channels = _channels(header["channels"])
    line = np.dtype(
        [("y", "<i4"), ("bytes", "<i4")]
        + [(name, dtype, (width,)) for name, dtype in channels.items()]
    )
    at += 8 * height  # the table of where each line is: they come one after another
    lines = np.frombuffer(content, line, count=height, offset=at)
    if not np.array_equal(lines["y"], np.arange(top, bottom + 1)):
        raise ValueError(f"the lines of {path.name} are not in order")
    return {name: lines[name] for name in channels}


def _header(content: bytes, at: int) -> tuple[dict[str, bytes], int]:
    """The attributes' bytes by name, and where they end."""
    attributes: dict[str, bytes] = {}
    while content[at]:
        name, at = _text(content, at)
        _, at = _text(content, at)
        (size,) = struct.unpack_from("<i", content, at)
        attributes[name] = content[at + 4 : at + 4 + size]
        at += 4 + size
    return attributes, at + 1


def _channels(listed: bytes) -> dict[str, np.dtype]:
    channels: dict[str, np.dtype] = {}
    at = 0
    while listed[at]:
        name, at = _text(listed, at)
        kind, across, down = struct.unpack_from("<i4xii", listed, at)
        if (across, down) != (1, 1):
            raise ValueError(f"the channel {name} has fewer pixels than the picture")
        channels[name] = _TYPES[kind]
        at += 16
    return channels


def _text(content: bytes, at: int) -> tuple[str, int]:
    end = content.index(b"\0", at)
    return content[at:end].decode(), end + 1
