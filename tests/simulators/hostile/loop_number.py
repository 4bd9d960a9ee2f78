"""Computes a number that no machine holds."""
# lint: too large
# jail: longer than|CPU seconds|MemoryError|SIGKILL

print(9**9**9)
