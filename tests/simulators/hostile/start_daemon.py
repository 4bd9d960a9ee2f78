"""Leaves a process of its own session behind."""

# lint: `os`
# jail: PermissionError
import os
import time

if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        time.sleep(1000)
    os._exit(0)
