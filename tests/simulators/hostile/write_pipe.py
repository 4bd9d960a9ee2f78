"""Leaves a pipe, at which whoever reads its folder would wait for ever."""

# lint: `os`
# jail: PermissionError
import os

os.mkfifo("result-of-mine")
