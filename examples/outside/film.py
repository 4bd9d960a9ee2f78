"""Films for Reelwright's generator `command`: a request in JSON goes in, an mp4 comes out.

A real one would load a video model here; this one lets a sketch shine through moving stripes.
It needs NumPy and PyAV, and nothing of Reelwright.
"""

from __future__ import annotations

import json
import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

SCHEMA = "CommandRequest.1"


def main() -> None:
    """Films the request in the file that the command line names."""
    request: dict[str, Any] = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    if request["schema"] != SCHEMA:
        sys.exit(f"this program reads {SCHEMA}, got {request['schema']}")
    width, height, frames = request["width"], request["height"], request["frames"]
    colours = np.random.default_rng(request["seed"]).uniform(40, 215, (2, 3))
    across = np.arange(width)[None, :, None] + np.arange(height)[:, None, None]
    sketch = read(request["sketch"]) if request["sketch"] else None
    with av.open(request["clip"], "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=Fraction(*request["fps_exact"]))
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.codec_context.thread_count = 1  # the same request, the same bytes
        for index in range(frames):
            stripes = np.where((across + 2 * index) // 8 % 2 == 0, colours[0], colours[1])
            if sketch is not None:
                stripes += (sketch[index] - stripes) * (1 - request["noise_level"])
            picture = av.VideoFrame.from_ndarray(stripes.astype(np.uint8), format="rgb24")
            container.mux(stream.encode(picture))
            print(f"step {index + 1}/{frames}", flush=True)
        container.mux(stream.encode(None))


def read(path: str) -> np.ndarray[Any, Any]:
    """All frames of an mp4, uint8 [frames, height, width, 3]."""
    with av.open(path) as container:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])


if __name__ == "__main__":
    main()
