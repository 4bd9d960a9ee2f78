"""Takes all memory at once."""
# lint: too large
# jail: MemoryError

held = bytearray(10**12)
