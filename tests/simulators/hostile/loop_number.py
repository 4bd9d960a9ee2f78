"""Computes a number that no machine holds."""
# lint: too large
# jail: longer than|CPU seconds|MemoryError

print(9**9**9)
