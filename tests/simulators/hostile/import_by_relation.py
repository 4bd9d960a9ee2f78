"""Takes a module that a harmless one has imported."""

# lint: `_os`
# jail: PermissionError
# alone: secret
import random

held = random._os
raise RuntimeError(held.read(held.open("OUTSIDE/secret", 0), 100))
