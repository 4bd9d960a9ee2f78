"""How large the procedural models are: plain Python, read on both sides of the process border."""

from __future__ import annotations

# Width (x) and depth (y) of a model that is 1 m high. A car drives towards +x; a row of dominoes
# falls along x; the handle of a mug is on its +x side.
MODELS = {
    "basketball": (1.0, 1.0),
    "car": (2.6, 1.15),
    "domino": (0.18, 0.5),
    "house": (1.1, 0.95),
    "tree": (0.72, 0.72),
    "mug": (1.18, 0.84),
    "glass": (0.64, 0.64),
    "bowl": (2.2, 2.2),
    "table": (1.6, 1.0),
    "flagpole": (0.1, 0.1),
    "pin": (0.32, 0.32),
    "bottle": (0.3, 0.3),
}
# Of its height: a flat card is as thick as this.
CARD = 0.04


def size(shape, aspect=1.0):
    """Metres along x, y and z before any turn.

    `aspect` is width over height of a card's cut-out, or of a mesh from a file (in x and in y).
    """
    kind = shape["kind"]
    if kind == "ball":
        return (2 * shape["radius"],) * 3
    if kind == "block":
        return tuple(shape["size"])
    if kind == "cylinder":
        across = 2 * max(shape["radius"], shape["top"] or 0.0)
        return (across, across, shape["height"])
    high = shape["height"]
    if kind == "card":
        return (high,) * 3 if shape["round"] else (aspect * high, CARD * high, high)
    if kind == "model":
        wide, deep = MODELS[shape["name"]]
        return (wide * high, deep * high, high)
    return (aspect * high, aspect * high, high)
