"""Looks for keys in the environment."""

# lint: `os`
# jail: PYTHONHASHSEED
import os

raise RuntimeError(", ".join(f"{name}={value}" for name, value in os.environ.items()))
