"""What the kernel does not count: threads, and all files together; and what a jail left behind."""

from __future__ import annotations

import os
import shutil
import stat
from pathlib import Path

from reelwright_simulators.sandbox import SCRATCH, Limits


def overrun(pid: int, folder: Path, limits: Limits) -> str | None:
    """Why the process `pid` is to be killed, or None; to be asked a few times a second."""
    threads = _threads(pid)
    if threads > limits.threads:
        return f"it has {threads} threads; {limits.threads} are allowed"
    count, size = written(folder)
    if size > limits.folder:
        return f"it wrote {size >> 20} MiB; {limits.folder >> 20} MiB are allowed"
    if count > limits.files:
        return f"it wrote {count} files; {limits.files} are allowed"
    return None


def _threads(pid: int) -> int:
    try:
        told = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace")
    except OSError:
        return 0
    for line in told.splitlines():
        if line.startswith("Threads:"):
            return int(line.split()[1])
    return 0


def written(folder: Path) -> tuple[int, int]:
    """How many files and folders are in `folder`, and the bytes they take on the disk."""
    count = size = 0
    left = [str(folder)]
    while left:
        try:
            with os.scandir(left.pop()) as entries:
                for entry in entries:
                    count += 1
                    if entry.is_dir(follow_symlinks=False):
                        left.append(entry.path)
                    else:
                        size += entry.stat(follow_symlinks=False).st_blocks * 512
        except OSError:
            continue  # it went away while it was looked at
    return count, size


def tidy(folder: Path) -> list[str]:
    """Removes what no one outside should follow; says what that was.

    To be called when the program has ended, before anything it wrote is read: a link that it left
    would lead its reader elsewhere. Temporary files go without a word.
    """
    shutil.rmtree(folder / SCRATCH, ignore_errors=True)
    removed: list[str] = []
    for at, folders, files in os.walk(folder):
        for name in (*folders, *files):
            path = Path(at) / name
            found = path.lstat()
            shared = stat.S_ISREG(found.st_mode) and found.st_nlink > 1
            plain = stat.S_ISREG(found.st_mode) or stat.S_ISDIR(found.st_mode)
            if not plain or shared:
                path.unlink()
                removed.append(str(path.relative_to(folder)))
    return removed
