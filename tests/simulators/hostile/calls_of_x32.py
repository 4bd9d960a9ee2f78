"""Asks by numbers of a third kind of program."""

# lint: `ctypes`
# jail: SIGSYS
import ctypes
import platform

if platform.machine() != "x86_64":
    raise RuntimeError("SIGSYS is for x86_64 alone")
raise RuntimeError(f"process {ctypes.CDLL(None).syscall(0x40000000 + 39)}")
