"""Goes elsewhere first and opens a plain name."""

# lint: `os`
# jail: PermissionError|FileNotFoundError
# alone: secret
import os

os.chdir("OUTSIDE")
raise RuntimeError(open("secret").read())
