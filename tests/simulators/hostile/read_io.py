"""Opens a file by the raw class under `open`."""

# lint: `io`
# jail: PermissionError
# alone: secret
import io

raise RuntimeError(io.FileIO("OUTSIDE/secret").readall().decode())
