"""Maps a file into memory."""

# lint: `mmap`
# jail: PermissionError
# alone: secret
import mmap
import os

held = mmap.mmap(os.open("OUTSIDE/secret", os.O_RDONLY), 0, access=mmap.ACCESS_READ)
raise RuntimeError(held.read().decode())
