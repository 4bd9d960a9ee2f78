"""Never ends."""
# lint: never ends
# jail: longer than|CPU seconds

while True:
    pass
