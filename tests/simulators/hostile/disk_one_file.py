"""Writes one file without end."""
# lint: `open`
# jail: too large

held = open("big", "wb")
while True:
    held.write(bytes(1 << 20))
