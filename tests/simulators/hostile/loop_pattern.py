"""Has a pattern try all ways there are."""

# lint: `re`
# jail: longer than|CPU seconds|SIGKILL
import re

re.match("(a+)+b", "a" * 64)
