"""Never ends, whatever it is told."""

# lint: bare
# jail: longer than|CPU seconds|SIGKILL
import signal

for number in (signal.SIGTERM, signal.SIGINT, signal.SIGXCPU, signal.SIGALRM):
    signal.signal(number, signal.SIG_IGN)
while True:
    try:
        while True:
            pass
    except:
        pass
