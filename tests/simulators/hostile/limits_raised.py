"""Takes its limits off."""

# lint: `resource`
# jail: ValueError|PermissionError
import resource

resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
