"""What the kernel does not count: threads, all files; and what a jailed program left behind."""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
from pathlib import Path

from reelwright_simulators.sandbox import SCRATCH, Limits


def overrun(pid: int, folder: Path, limits: Limits) -> str | None:
    """Why the process `pid` is to be ended, or None; to be asked a few times a second."""
    if (found := threads(pid)) > limits.threads:
        return f"it had {found} threads; {limits.threads} are allowed"
    count = size = 0
    left = [str(folder)]
    while left:
        with contextlib.suppress(OSError), os.scandir(left.pop()) as entries:  # it may go away
            for entry in entries:
                with contextlib.suppress(OSError):
                    if entry.is_dir(follow_symlinks=False):
                        left.append(entry.path)
                    # What it takes on the disk: a file of holes is as long as one likes.
                    size += entry.stat(follow_symlinks=False).st_blocks * 512
                count += 1
                if count > limits.files:
                    return f"it made more than {limits.files} files"
    if size > limits.folder:
        return f"its files grew over {limits.folder / 1e9:.1f} GB"
    return None


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
    lead its reader elsewhere, and a pipe would hold it up. Temporary files go without a word.
    """
    shutil.rmtree(folder / SCRATCH, ignore_errors=True)
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
