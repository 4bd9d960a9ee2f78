"""Calls a server by a name that is in no folder."""

# lint: `socket`
# jail: PermissionError
# alone: called
import socket

socket.socket(socket.AF_UNIX).connect("\0ABSTRACT")
