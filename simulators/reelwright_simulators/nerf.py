"""Several cameras of one simulation as `transforms.json`, which radiance fields are fitted to."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from reelwright_core.files import folder_written_whole, write_json
from reelwright_core.physics import CameraPose, PhysicsScene
from reelwright_core.video import video_frames
from reelwright_simulators.simulate import Simulated

_OPENGL = np.diag([1.0, -1.0, -1.0, 1.0])


def write_transforms(made: Simulated, scene: PhysicsScene, folder: Path) -> Path:
    """Writes every frame of every camera as a PNG, and `transforms.json` beside; returns its path.

    The file is as in NeRF (Mildenhall et al., ECCV 2020): `camera_angle_x`, and for each picture
    `file_path` and `transform_matrix`, camera to world with OpenGL's axes (right, up, back);
    `time`, 0..1 over the frames, as in D-NeRF (Pumarola et al., CVPR 2021); `fl_x`, `fl_y`, `cx`
    and `cy` in pixels for each picture.
    """
    width, height = scene.size
    pictures: list[dict[str, Any]] = []
    with folder_written_whole(folder) as aside:
        (aside / "images").mkdir()
        for name, sketch in made.sketches.items():
            for f, frame in enumerate(video_frames(sketch.video)):
                path = f"images/{name}-{f:04d}.png"
                Image.fromarray(frame).save(aside / path)
                pose = sketch.poses[f]
                pictures.append(
                    {
                        "file_path": path,
                        "time": f / max(scene.frames - 1, 1),
                        "transform_matrix": to_world(pose).tolist(),
                        "fl_x": pose.intrinsic[0][0],
                        "fl_y": pose.intrinsic[1][1],
                        "cx": pose.intrinsic[0][2],
                        "cy": pose.intrinsic[1][2],
                    }
                )
        angle = 2 * math.atan(width / 2 / pictures[0]["fl_x"])
        told = {"camera_angle_x": angle, "w": width, "h": height, "frames": pictures}
        write_json(aside / "transforms.json", told)
    return folder / "transforms.json"


def to_world(pose: CameraPose) -> Any:
    """Camera to world, [4, 4], with OpenGL's axes: right, up, back."""
    extrinsic = np.eye(4)
    extrinsic[:3] = pose.extrinsic
    return np.linalg.inv(extrinsic) @ _OPENGL
