"""Asks the kernel by the numbers of 32-bit programs, which mean other calls."""

# lint: `ctypes`
# jail: SIGSYS
import ctypes
import mmap
import platform

if platform.machine() != "x86_64":
    raise RuntimeError("SIGSYS is for x86_64 alone")
code = bytes([0xB8, 20, 0, 0, 0, 0xCD, 0x80, 0xC3])  # mov eax, 20; int 0x80; ret
page = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
page.write(code)
at = ctypes.addressof(ctypes.c_char.from_buffer(page))
raise RuntimeError(f"process {ctypes.CFUNCTYPE(ctypes.c_int)(at)()}")
