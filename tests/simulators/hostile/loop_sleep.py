"""Does nothing for ever."""

# lint: `time`
# jail: longer than|SIGKILL
import time

time.sleep(10**9)
