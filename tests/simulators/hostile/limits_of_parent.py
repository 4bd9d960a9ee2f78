"""Gives the process that started it no time to live."""

# lint: `resource`
# jail: PermissionError|ProcessLookupError
import resource

resource.prlimit(PARENT, resource.RLIMIT_CPU, (1, 1))
