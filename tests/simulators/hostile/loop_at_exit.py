"""Goes on when it has ended."""

# lint: `atexit`
# jail: nothing in the scene|made by itself|declares nothing|SIGKILL
import atexit
import threading


def on():
    while True:
        pass


atexit.register(on)
threading.Thread(target=on).start()
