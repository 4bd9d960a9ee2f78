"""Talks without end."""
# lint: never ends
# jail: longer than|CPU seconds|SIGKILL

while True:
    print("x" * 1000)
