"""Reads a file by the C library, past Python."""

# lint: `ctypes`
# jail: no file
# alone: secret
import ctypes

libc = ctypes.CDLL(None)
text = ctypes.create_string_buffer(100)
count = libc.read(libc.open(b"OUTSIDE/secret", 0), text, 100)
raise RuntimeError(text.value if count > 0 else "no file")
