"""Leaves memory behind that others see."""

# lint: `multiprocessing`
# jail: PermissionError|FileNotFoundError
from multiprocessing import shared_memory

shared_memory.SharedMemory(create=True, size=4096)
