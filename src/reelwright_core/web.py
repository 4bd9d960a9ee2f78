"""What every call to a server needs: a checked address, a key that is not told, whom to trust."""

from __future__ import annotations

import email.utils
import ssl
import time
from collections.abc import Mapping
from functools import cache
from urllib.parse import urlsplit, urlunsplit

from pydantic import SecretStr

from reelwright_core.errors import SettingsError

_SECRET_AT_LEAST = 8
"""Characters; shorter keys, such as `none`, are what local servers are given for no key."""


def address(url: str, *, setting: str, example: str) -> str:
    """The URL without any name, password or query in it, for messages.

    Raises `SettingsError` that names `setting` for what is no http address.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        parts, host, port = None, None, None
    if parts is None or parts.scheme not in ("http", "https") or not host:
        raise SettingsError(
            f"`{setting}` is an address such as {example}, got {url.rpartition('@')[2]!r}"
        )
    place = f"[{host}]" if ":" in host else host
    place = place if port is None else f"{place}:{port}"
    return urlunsplit((parts.scheme, place, parts.path.rstrip("/"), "", ""))


def key_of(secret: SecretStr | None, *, setting: str) -> str:
    """The key, empty if there is none; `SettingsError` for one that cannot be a key."""
    key = "" if secret is None else secret.get_secret_value().strip()
    if not key.isascii() or not key.isprintable() or " " in key:
        raise SettingsError(f"the key in {setting} has blanks or signs that no key has")
    return key


def hidden(text: str, key: str) -> str:
    """`text` without the key."""
    return text.replace(key, "[key]") if len(key) >= _SECRET_AT_LEAST else text


def wait_asked(headers: Mapping[str, str]) -> float | None:
    """Seconds that a Retry-After header asks for, as a number or a date."""
    given = headers.get("retry-after")
    if given is None:
        return None
    try:
        return max(0.0, float(given))
    except ValueError:
        pass
    try:
        return max(0.0, email.utils.parsedate_to_datetime(given).timestamp() - time.time())
    except ValueError:
        return None


@cache
def certificates() -> ssl.SSLContext:
    """Whom to trust; kept, because reading it takes longer than the rest of a call."""
    import httpx2

    return httpx2.create_ssl_context()
