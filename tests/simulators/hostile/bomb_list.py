"""Takes all memory bit by bit."""
# lint: never ends
# jail: MemoryError|memory|longer than|CPU seconds

held = []
while True:
    held.append(bytes(1 << 20))
