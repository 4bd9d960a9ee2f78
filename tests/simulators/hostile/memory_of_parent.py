"""Reads the memory of the process that started it."""
# lint: `open`
# jail: PermissionError|FileNotFoundError

held = open("/proc/PARENT/mem", "rb")
held.seek(0x400000)
raise RuntimeError(held.read(64))
