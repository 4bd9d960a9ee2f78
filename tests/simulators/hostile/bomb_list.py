"""Takes all memory bit by bit."""
# lint: never ends
# jail: MemoryError|memory

held = []
while True:
    held.append(bytes(1 << 20))
