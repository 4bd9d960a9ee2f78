"""Plants code in Python's own library."""

# lint: `os`
# jail: PermissionError|Read-only
import os

open(os.path.join(os.path.dirname(os.__file__), "planted_by_a_script.py"), "w").write("x")
