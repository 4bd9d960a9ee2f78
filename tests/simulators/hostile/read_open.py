"""Opens a file outside its folder."""
# lint: `open`
# jail: PermissionError
# alone: secret

raise RuntimeError(open("OUTSIDE/secret").read())
