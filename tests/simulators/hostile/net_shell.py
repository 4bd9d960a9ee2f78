"""Lets the shell open a connection."""

# lint: `subprocess`
# jail: PermissionError
# alone: called
import subprocess

subprocess.run(["/bin/bash", "-c", "echo hello > /dev/tcp/127.0.0.1/TCP"], check=True)
