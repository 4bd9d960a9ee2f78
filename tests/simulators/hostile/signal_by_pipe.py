"""Has the kernel send a signal to another as the owner of a pipe."""

# lint: `fcntl`
# jail: PermissionError
import fcntl
import os

reader, writer = os.pipe()
fcntl.fcntl(reader, fcntl.F_SETOWN, PARENT)
fcntl.fcntl(reader, fcntl.F_SETFL, os.O_ASYNC)
os.write(writer, b"x")
