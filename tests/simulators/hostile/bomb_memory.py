"""Takes all memory at once."""
# lint: too large
# jail: MemoryError|longer than|CPU seconds

held = bytearray(10**12)
