"""Reads where no memory is."""

# lint: `ctypes`
# jail: SIGSEGV
import ctypes

ctypes.string_at(0)
