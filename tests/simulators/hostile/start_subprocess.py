"""Starts a program."""

# lint: `subprocess`
# jail: PermissionError
# alone: secret
import subprocess

said = subprocess.run(["/bin/cat", "OUTSIDE/secret"], capture_output=True, check=True).stdout
raise RuntimeError(said)
