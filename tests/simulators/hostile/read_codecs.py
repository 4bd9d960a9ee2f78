"""Opens a file by the codecs module."""

# lint: `codecs`
# jail: PermissionError
# alone: secret
import codecs

raise RuntimeError(codecs.open("OUTSIDE/secret", encoding="utf-8").read())
