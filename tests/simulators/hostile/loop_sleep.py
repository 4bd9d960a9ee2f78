"""Does nothing for ever."""

# lint: `time`
# jail: longer than
import time

time.sleep(10**9)
