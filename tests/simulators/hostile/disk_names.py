"""Writes more empty files than anyone can list."""
# lint: `open`
# jail: made more than|longer than|CPU seconds

for number in range(10**9):
    open(f"part-{number}", "wb").close()
