"""Fetches a page."""

# lint: `urllib.request`
# jail: not permitted
# alone: called
import urllib.request

urllib.request.urlopen("http://127.0.0.1:TCP/", timeout=3)
