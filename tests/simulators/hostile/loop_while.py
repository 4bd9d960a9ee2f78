"""Never ends."""
# lint: never ends
# jail: longer than|CPU seconds|SIGKILL

while True:
    pass
