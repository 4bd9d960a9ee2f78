"""Makes a socket without Python's module."""

# lint: `ctypes`
# jail: not permitted
import ctypes
import os

made = ctypes.CDLL(None, use_errno=True).socket(2, 1, 0)
raise RuntimeError("a socket" if made >= 0 else os.strerror(ctypes.get_errno()).lower())
