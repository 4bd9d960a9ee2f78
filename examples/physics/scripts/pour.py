"""Water is poured into a glass from above."""

ground(look="wood")
tall = 0.6
model("glass", "glass", (0, 0, tall / 2), height=tall, fixed=True)

# The box of the water holds the glass and the jet above it, with cells small enough for its wall.
liquid(
    "water",
    (0, 0, 0.55),
    size=(0.7, 0.7, 1.1),
    source=(0, 0, 0.95),
    radius=0.06,
    velocity=(0, 0, -0.8),
    until=int(0.8 * fps()),
    detail=40,
)
camera((0, -2.2, 0.9), (0, 0, 0.45), lens=45)
run()
