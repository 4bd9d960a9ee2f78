"""A rubber ball is thrown onto a wooden floor and bounces past a red cube."""

ground(look="wood")
cube = block("cube", (0.9, 0.35, 0.2), size=(0.4, 0.4, 0.4), colour="red", fixed=True)

# It leaves at a height and a speed from which it lands, bounces, and stays in view.
height, radius = 1.3, 0.14
fall = (2 * (height - radius) / 9.81) ** 0.5
ball(
    "ball",
    (-1.0, 0, height),
    radius=radius,
    material="rubber",
    colour="orange",
    velocity=(0.45 / fall, 0, 0),
    restitution=0.75,
)

light("sun", position=(-3, -4, 6), strength=3)
camera((0, -4.6, 1.1), (0, 0, 0.7), lens=55)
run()
