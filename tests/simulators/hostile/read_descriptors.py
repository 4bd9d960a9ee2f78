"""Reads from files that another left open."""

# lint: `os`
# jail: OSError
import os

found = b""
for number in range(3, 256):
    try:
        os.lseek(number, 0, 0)
        found += os.read(number, 100)
    except OSError as error:
        last = error
raise last if not found else RuntimeError(found)
