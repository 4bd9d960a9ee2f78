"""Takes limits upon itself, then becomes the command: `python guard.py LIMITS COMMAND...`.

A program of its own, since code between fork and exec may hang where the host has threads. It
needs the standard library alone. LIMITS is JSON: `parent`, the host's process id, and `limits`,
the soft and hard values of RLIMIT_* by name.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import resource
import signal
import sys
from typing import Any

PR_SET_PDEATHSIG = 1


def main(told: dict[str, Any], command: list[str]) -> None:
    """Never returns: the command takes this process over, or it ends with 127."""
    with contextlib.suppress(AttributeError, OSError):
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
    if os.getppid() != told["parent"]:  # it died before it could take us along
        os._exit(1)
    for name, (soft, hard) in told["limits"].items():
        kind = getattr(resource, name)
        most = resource.getrlimit(kind)[1]
        if most != resource.RLIM_INFINITY:
            soft, hard = min(soft, most), min(hard, most)
        resource.setrlimit(kind, (soft, hard))
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:  # noqa: PTH123
        file.write("600")  # where memory runs out, it goes before its host does
    try:
        os.execvp(command[0], command)
    except OSError as error:
        print(f"{command[0]} cannot be started: {error.strerror}", file=sys.stderr)
        sys.stderr.flush()
        os._exit(127)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]), sys.argv[2:])
