"""`python -m reelwright`."""

from reelwright.cli import main

main()
