"""Spells names so that nobody finds them in the text."""
# lint: `getattr`
# jail: PermissionError
# alone: secret

spelt = "".join(map(chr, (95, 95, 105, 109, 112, 111, 114, 116, 95, 95)))
held = getattr(__builtins__, spelt)("io")
raise RuntimeError(getattr(held, "op" + "en")("OUTSIDE/secret").read())
