"""Climbs from an error to who called, and on to what they hold."""
# lint: `f_back`
# jail: PermissionError
# alone: secret

try:
    1 / 0
except ZeroDivisionError as error:
    frame = error.__traceback__.tb_frame.f_back
raise RuntimeError(frame.f_globals["Path"]("OUTSIDE/secret").read_text())
