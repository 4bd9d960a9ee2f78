"""Talks without end."""
# lint: never ends
# jail: longer than|CPU seconds

while True:
    print("x" * 1000)
