"""Starts threads without end, each with hardly any memory."""

# lint: `threading`
# jail: thread|longer than|CPU seconds
import threading
import time

threading.stack_size(1 << 16)
while True:
    threading.Thread(target=time.sleep, args=(1000,), daemon=True).start()
