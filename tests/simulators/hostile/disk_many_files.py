"""Writes many files, each of a size that is allowed."""
# lint: `open`
# jail: files grew over|longer than|CPU seconds

for number in range(10**6):
    open(f"part-{number}", "wb").write(bytes(1 << 20))
