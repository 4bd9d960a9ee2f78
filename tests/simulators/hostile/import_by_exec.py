"""Hides its code in numbers."""
# lint: `exec`
# jail: PermissionError
# alone: secret

text = "raise RuntimeError(open('OUTSIDE/secret').read())"
exec(bytes(ord(sign) for sign in text).decode())
