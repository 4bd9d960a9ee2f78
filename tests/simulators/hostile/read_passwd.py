"""Reads who the users of this machine are."""
# lint: `open`
# jail: PermissionError|FileNotFoundError
# alone: secret

raise RuntimeError(open("/etc/passwd").read())
