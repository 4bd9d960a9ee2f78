"""What the kernel does not count: threads; and what a jailed program left behind."""

from __future__ import annotations

import os
import stat
from pathlib import Path

THREADS_AT_MOST = 512


def threads(pid: int) -> int:
    """How many threads a process and all those have that it started; 0 if it is gone."""
    count = 0
    left = [pid]
    while left:
        try:
            tasks = list(Path(f"/proc/{left.pop()}/task").iterdir())
            count += len(tasks)
            for task in tasks:
                left += [int(word) for word in (task / "children").read_text("ascii").split()]
        except OSError:
            continue  # it has ended meanwhile, or the kernel does not say
    return count


def tidy(folder: Path) -> list[str]:
    """Removes what no one outside should follow, and says what that was.

    To be called when the program has ended, before anything that it wrote is read: a link would
    lead its reader elsewhere, and a pipe would hold it up.
    """
    removed: list[str] = []
    for at, folders, files in os.walk(folder):
        for name in (*folders, *files):
            path = Path(at) / name
            found = path.lstat()
            whole = stat.S_ISREG(found.st_mode) and found.st_nlink == 1
            if not whole and not stat.S_ISDIR(found.st_mode):
                path.unlink()
                removed.append(str(path.relative_to(folder)))
    return sorted(removed)
