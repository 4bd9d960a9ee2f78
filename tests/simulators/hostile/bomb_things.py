"""Puts more balls into a scene than a machine can move."""
# lint: too large
# jail: 200 things|longer than|CPU seconds

for number in range(10**9):
    ball(f"ball-{number}", (number, 0, 1))
