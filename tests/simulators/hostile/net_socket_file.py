"""Calls a server by its socket file."""

# lint: `socket`
# jail: PermissionError
# alone: called
import socket

socket.socket(socket.AF_UNIX).connect("OUTSIDE/socket")
