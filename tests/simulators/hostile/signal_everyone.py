"""Ends every process that it may."""

# lint: `os`
# jail: PermissionError
import os

os.kill(-1, 9)
