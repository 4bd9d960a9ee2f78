"""Ends Python as if all were well."""
# lint: `exit`
# jail: ended itself

exit(0)
