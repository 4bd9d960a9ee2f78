"""Has a stored object call a function when it is read."""

# lint: `pickle`
# jail: PermissionError
# alone: secret
import pickle

held = pickle.loads(b"cio\nopen\n(S'OUTSIDE/secret'\ntR.")
raise RuntimeError(held.read())
