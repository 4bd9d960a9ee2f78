"""How it flows: agent graphs in YAML, built, run and resumed."""
