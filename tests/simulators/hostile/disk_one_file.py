"""Writes one file without end."""
# lint: `open`
# jail: too large|longer than|CPU seconds

held = open("big", "wb")
while True:
    held.write(bytes(1 << 20))
