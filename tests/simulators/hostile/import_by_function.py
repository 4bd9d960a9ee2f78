"""Imports by the function behind `import`."""
# lint: `__import__`
# jail: PermissionError
# alone: secret

os = __import__("o" + "s")
raise RuntimeError(os.read(os.open("OUTSIDE/secret", 0), 100))
