"""Calls a server by TCP."""

# lint: `socket`
# jail: PermissionError
# alone: called
import socket

socket.create_connection(("127.0.0.1", TCP)).send(b"hello")
