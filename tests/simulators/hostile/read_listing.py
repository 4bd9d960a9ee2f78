"""Lists the files of a folder outside."""

# lint: `os`
# jail: PermissionError|FileNotFoundError
# alone: secret
import os

names = os.listdir("OUTSIDE")
raise RuntimeError("SECRET" if "secret" in names else "nothing")
