"""Makes another folder its root, to get around what is checked by path."""

# lint: `os`
# jail: PermissionError
import os

os.chroot("OUTSIDE")
raise RuntimeError(open("/secret").read())
