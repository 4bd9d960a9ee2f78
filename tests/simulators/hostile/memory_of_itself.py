"""Writes to its own memory as a file, which passes by its protection."""
# lint: `open`
# jail: PermissionError|FileNotFoundError

open("/proc/self/mem", "r+b").write(b"x")
