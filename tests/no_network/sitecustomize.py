"""No way out of this machine: every connect and look-up of another host raises with its address.

Loaded by tests/conftest.py for the tests' own process, and through PYTHONPATH by every Python
that a test starts. An audit hook sees what goes past `socket`'s Python code, too.
"""

from __future__ import annotations

import socket
import sys
from typing import Any

INTERNET = (socket.AF_INET, socket.AF_INET6)
HERE = ("localhost", "127.0.0.1", "::1", "0.0.0.0", "::", "")


class NetworkBlocked(RuntimeError):
    """A test tried to leave this machine. No `OSError`: code that goes on without a network would
    swallow it.
    """  # noqa: D205


def _guard(event: str, arguments: tuple[Any, ...]) -> None:
    if event in ("socket.connect", "socket.sendto", "socket.sendmsg"):
        connection, address = arguments
        if connection.family in INTERNET and address and not _here(address[0]):
            raise NetworkBlocked(f"tests stay on this machine, got {event} to {address!r}")
    elif event in ("socket.getaddrinfo", "socket.gethostbyname") and not _here(arguments[0]):
        raise NetworkBlocked(f"tests stay on this machine, got {event} of {arguments[0]!r}")


def _here(host: object) -> bool:
    name = host.decode("ascii", "replace") if isinstance(host, bytes) else host
    return name is None or name in HERE or str(name).startswith("127.")


sys.addaudithook(_guard)
