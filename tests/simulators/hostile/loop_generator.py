"""Counts for ever in one expression."""

# lint: `itertools.count`
# jail: longer than|CPU seconds|SIGKILL
import itertools

sum(1 for _ in itertools.count())
