"""Prompt templates and the messages made of them; what users wrote in them stays data."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any, cast

from jinja2 import StrictUndefined, Template
from jinja2.sandbox import ImmutableSandboxedEnvironment

Message = dict[str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class Prompt:
    """A template with a block `system` and a block `user`."""

    template: Template
    sha256: str

    def fill(self, inputs: Mapping[str, Any]) -> tuple[str, str]:
        """What to say as `system` and as `user`; `inputs` are data and never templates."""
        context = self.template.new_context(dict(inputs))
        system, user = (
            "".join(self.template.blocks[name](context)).strip() for name in ("system", "user")
        )
        return sound_text(system), sound_text(user)


@cache
def prompt(name: str) -> Prompt:
    """The template `prompts/NAME.j2`."""
    source = (resources.files("reelwright_agents") / "prompts" / f"{name}.j2").read_text("utf-8")
    environment = ImmutableSandboxedEnvironment(
        undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, autoescape=False
    )
    filters = cast(dict[str, Any], environment.filters)
    filters["material"] = _material
    sha256 = hashlib.sha256(source.encode()).hexdigest()
    return Prompt(template=environment.from_string(source), sha256=sha256)


def _material(text: str, name: str) -> str:
    """`text` between marks that it cannot contain: they carry its own digest."""
    mark = hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:12]
    return f"<<<{name} {mark}\n{text}\n{mark} {name}>>>"


def sound_text(text: str) -> str:
    """`text` with a question mark for each half character, which JSON in UTF-8 cannot carry."""
    return text.encode("utf-8", "replace").decode("utf-8")


def messages(filled: tuple[str, str], images: Sequence[bytes]) -> list[Message]:
    """The first messages of a talk; `images` follow the user's words in their order."""
    system, user = filled
    content: str | list[Message] = user
    if images:
        pictures = [{"type": "image_url", "image_url": {"url": _data_url(i)}} for i in images]
        content = [{"type": "text", "text": user}, *pictures]
    return [{"role": "system", "content": system}, {"role": "user", "content": content}]


def _data_url(image: bytes) -> str:
    if image.startswith(b"\x89PNG\r\n"):
        kind = "png"
    elif image.startswith(b"\xff\xd8"):
        kind = "jpeg"
    else:
        raise ValueError(f"an image is a PNG or JPEG file, got bytes that start {image[:8]!r}")
    return f"data:image/{kind};base64,{base64.b64encode(image).decode()}"


def without_images(message: Message) -> Message:
    """`message` with the digest of each image in its place."""
    content = message["content"]
    if isinstance(content, str):
        return message
    parts: list[object] = []
    for part in content:
        is_image = part["type"] == "image_url"
        url = part["image_url"]["url"] if is_image else ""
        parts.append(hashlib.sha256(url.encode()).hexdigest() if is_image else part)
    return {**message, "content": parts}
