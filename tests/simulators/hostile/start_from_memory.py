"""Runs a program that is in no folder."""

# lint: `os`
# jail: PermissionError
import os

held = os.memfd_create("program")
os.write(held, b"#!/bin/sh\ntouch OUTSIDE/made\n")
os.execve(held, ["program"], {})
