"""A ComfyUI workflow in API format whose nodes say by their titles what of a request they get."""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from reelwright_core.errors import ModelError
from reelwright_core.records import digest
from reelwright_generators.generator import Capability, ControlKind
from reelwright_generators.outside.profile import read_json

CLIP = "clip"
"""The role of the node that saves the clip; it gets nothing."""

_VIDEO = ("file", "video")
ROLES: dict[str, tuple[str, ...]] = {
    "prompt": ("text", "prompt", "positive_prompt", "value", "string"),
    "negative_prompt": ("text", "negative_prompt", "prompt", "value", "string"),
    "seed": ("seed", "noise_seed", "value"),
    "width": ("width", "value"),
    "height": ("height", "value"),
    "frames": ("length", "frames", "num_frames", "video_length", "frame_count", "value"),
    "fps": ("fps", "frame_rate", "value"),
    "steps": ("steps", "value"),
    "guidance": ("cfg", "guidance", "value"),
    "noise_level": ("denoise", "value"),
    "sketch": _VIDEO,
    "first_frame": ("image",),
    "last_frame": ("image",),
    "control_rgb": _VIDEO,
    "control_depth": _VIDEO,
    "control_edges": _VIDEO,
    "control_masks": _VIDEO,
    "control_pose": _VIDEO,
    CLIP: (),
}
"""What can be marked, and the inputs that are looked for in a node so marked."""

FILES = ("sketch", "first_frame", "last_frame")
_MARK = re.compile(r"reelwright:([a-z_]+)(?:=([A-Za-z_][\w.]*))?")


@dataclass(frozen=True, kw_only=True, slots=True)
class Workflow:
    """A workflow, and where what goes in."""

    nodes: Mapping[str, Mapping[str, Any]]
    places: Mapping[str, tuple[tuple[str, str], ...]]
    """(node id, input) of each role; an input is empty for `clip`."""
    sha256: str

    def can(self) -> list[Capability]:
        """What the marks allow."""
        named: dict[str, Capability] = {
            "prompt": "text", "negative_prompt": "negative_prompt", "sketch": "sketch",
            "first_frame": "first_frame", "last_frame": "last_frame", "seed": "seeds",
        }  # fmt: skip
        found: list[Capability] = [able for role, able in named.items() if role in self.places]
        return [*found, "control"] if self.controls() else found

    def controls(self) -> list[ControlKind]:
        """The control videos that have a place."""
        kinds: tuple[ControlKind, ...] = ("rgb", "depth", "edges", "masks", "pose")
        return [kind for kind in kinds if f"control_{kind}" in self.places]

    def number(self, role: str) -> float | None:
        """The number that stands in the file where `role` goes."""
        for node, name in self.places.get(role, ()):
            value = self.nodes[node]["inputs"].get(name)
            if isinstance(value, int | float) and not isinstance(value, bool):
                return value
        return None

    def filled(self, found: Mapping[str, Any]) -> dict[str, Any]:
        """The nodes with every place filled that `found` has something for."""
        nodes = copy.deepcopy(dict(self.nodes))
        for role, places in self.places.items():
            for node, name in places if role in found else ():
                value = found[role]
                before = nodes[node]["inputs"].get(name)
                if role == "fps" and isinstance(before, float):
                    value = float(value)
                nodes[node]["inputs"][name] = value
        return nodes


def open_workflow(path: Path) -> Workflow:
    """The workflow in a file; `ModelError` for one that cannot be used, with the cure."""
    data = read_json(path, setting="generator.outside.workflow")
    if not isinstance(data, dict):
        raise ModelError(f"{path} must hold a JSON object of nodes")
    nodes = cast(dict[str, Any], data)
    if isinstance(nodes.get("nodes"), list):
        raise ModelError(
            f"{path} is a workflow as ComfyUI saves it; export it in API format instead "
            "(menu File, Export (API))"
        )
    places: dict[str, list[tuple[str, str]]] = {}
    for key, node in nodes.items():
        for role, name in _marks(path, key, node):
            places.setdefault(role, []).append((key, name))
    if "prompt" not in places:
        raise ModelError(
            f"no node of {path} gets the prompt: give the one that does the title "
            f"`reelwright:prompt` in ComfyUI and export it again; marks are: {', '.join(ROLES)}"
        )
    if "sketch" in places and "noise_level" not in places:
        raise ModelError(
            f"{path} marks `reelwright:sketch` but not `reelwright:noise_level`, such as the "
            "`denoise` of the sampler, so nothing says how much of the sketch survives"
        )
    if len(places.get(CLIP, [])) > 1:
        raise ModelError(f"{path} marks more than one node as `reelwright:clip`")
    return Workflow(
        nodes=nodes,
        places={role: tuple(found) for role, found in places.items()},
        sha256=digest(data),
    )


def _marks(path: Path, key: str, node: Any) -> list[tuple[str, str]]:
    """(role, input) of each mark in a node's title."""
    if not isinstance(node, dict) or not isinstance(cast(Any, node).get("inputs"), dict):
        raise ModelError(
            f"{path} is no workflow in API format: its entry {key!r} has no `inputs`; export it "
            "in ComfyUI (menu File, Export (API))"
        )
    whole = cast(dict[str, Any], node)
    title = str((whole.get("_meta") or {}).get("title", ""))
    inputs = cast(dict[str, Any], whole["inputs"])
    found: list[tuple[str, str]] = []
    for role, said in _MARK.findall(title):
        if role not in ROLES:
            raise ModelError(
                f"{path}, node {key}: there is no mark `reelwright:{role}`; marks are: "
                f"{', '.join(ROLES)}"
            )
        plain = [name for name in ROLES[role] if name in inputs and not _linked(inputs[name])]
        if said and said not in inputs:
            raise ModelError(f"{path}, node {key}: it has no input {said!r}: {', '.join(inputs)}")
        if not said and not plain and role != CLIP:
            raise ModelError(
                f"{path}, node {key}: none of its inputs ({', '.join(inputs)}) is known to take "
                f"the {role}; name it in the title, as in `reelwright:{role}=input`"
            )
        found.append((role, said or (plain[0] if role != CLIP else "")))
    return found


def _linked(value: Any) -> bool:
    """Whether an input comes from another node: [node id, output]."""
    return isinstance(value, list)
