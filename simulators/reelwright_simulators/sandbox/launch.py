"""Shuts itself in, then becomes another program: `python -I -S launch.py POLICY -- PROGRAM ...`.

POLICY is JSON: `folder`, `read` (files and folders that may be read), `execute` (programs),
`limits` (names of RLIMIT_* and their values), `landlock` and `seccomp` (whether each is put on),
`parent` (the process whose end is also this one's). Only the three usual files stay open.
Nothing but the standard library is used. Exit code 97: it could not shut itself in; why is the
last line of its errors. Source: landlock(7), capabilities(7), prctl(2).
"""

from __future__ import annotations

import ctypes
import json
import os
import platform
import resource
import signal
import stat
import struct
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "blender" / "inside"))
import seccomp  # pyright: ignore[reportMissingImports]

NOT_SHUT_IN = 97

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_CAPSET = {"x86_64": 126, "aarch64": 91, "arm64": 91}
"""Landlock's calls have one number everywhere."""
_EXECUTE, _WRITE, _READ, _LIST, _REMOVE_DIR, _REMOVE_FILE = 1, 2, 4, 8, 16, 32
_MAKE_DIR, _MAKE_FILE, _MOVE, _TRUNCATE, _DEVICE = 1 << 7, 1 << 8, 1 << 13, 1 << 14, 1 << 15
_ALL_OF_FIRST = (1 << 13) - 1
_OF_FILES = _EXECUTE | _WRITE | _READ | _TRUNCATE | _DEVICE
_OWN_FOLDER = (
    _WRITE | _READ | _LIST | _REMOVE_DIR | _REMOVE_FILE | _MAKE_DIR | _MAKE_FILE | _MOVE | _TRUNCATE
)
"""No links, pipes, sockets or devices: what is left there is plain files, whoever reads it."""
_DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom")

_PDEATHSIG, _NO_NEW_PRIVS, _DROP_FROM_BOUND, _SECUREBITS, _AMBIENT = 1, 38, 24, 28, 47
_NOROOT_LOCKED = 0b11
_LAST_CAPABILITY = 63

_libc = ctypes.CDLL(None, use_errno=True)


def _call(number: int, *arguments: object) -> int:
    done = _libc.syscall(ctypes.c_long(number), *arguments)
    if done < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return done


def _prctl(*numbers: int) -> int:
    five = [*numbers, 0, 0, 0, 0][:5]
    return _libc.prctl(five[0], *(ctypes.c_ulong(number) for number in five[1:]))


def landlock_version() -> int:
    """Landlock's ABI here; 0 where there is none."""
    try:
        return _call(_CREATE_RULESET, None, ctypes.c_size_t(0), ctypes.c_uint(1))
    except OSError:
        return 0


def _landlock(folder: str, read: list[str], execute: list[str]) -> None:
    version = landlock_version()
    if version < 1:
        raise OSError("this kernel has no Landlock")
    handled = _ALL_OF_FIRST
    for since, right in ((2, _MOVE), (3, _TRUNCATE), (5, _DEVICE)):
        handled |= right if version >= since else 0
    # TCP in both directions from version 4; abstract sockets and signals to others from 6.
    rules = struct.pack("=QQQ", handled, 0b11, 0b11)
    rules = rules[: 8 if version < 4 else 16 if version < 6 else 24]
    held = ctypes.create_string_buffer(rules, len(rules))
    ruleset = _call(
        _CREATE_RULESET, ctypes.byref(held), ctypes.c_size_t(len(rules)), ctypes.c_uint(0)
    )
    for path in read:
        _allow(ruleset, path, handled & (_READ | _LIST))
    for path in execute:
        _allow(ruleset, path, handled & (_READ | _LIST | _EXECUTE))
    for path in _DEVICES:
        _allow(ruleset, path, handled & (_READ | _WRITE))
    _allow(ruleset, folder, handled & _OWN_FOLDER)
    _call(_RESTRICT_SELF, ctypes.c_int(ruleset), ctypes.c_uint(0))
    os.close(ruleset)


def _allow(ruleset: int, path: str, rights: int) -> None:
    """Allows `rights` at `path` and beneath it; a path that is not there needs no rule."""
    try:
        at = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        if not stat.S_ISDIR(os.fstat(at).st_mode):
            rights &= _OF_FILES
        beneath = struct.pack("=Qi", rights, at)
        held = ctypes.create_string_buffer(beneath, len(beneath))
        _call(
            _ADD_RULE, ctypes.c_int(ruleset), ctypes.c_uint(1), ctypes.byref(held), ctypes.c_uint(0)
        )
    finally:
        os.close(at)


def _drop_capabilities() -> None:
    """Root without its powers is a user like any other."""
    for capability in range(_LAST_CAPABILITY + 1):
        _prctl(_DROP_FROM_BOUND, capability)
    _prctl(_SECUREBITS, _NOROOT_LOCKED)
    _prctl(_AMBIENT, 4)
    header = ctypes.create_string_buffer(struct.pack("=Ii", 0x20080522, 0), 8)
    nothing = ctypes.create_string_buffer(24)
    _call(_CAPSET[platform.machine()], ctypes.byref(header), ctypes.byref(nothing))


def _limit(limits: dict[str, list[int]]) -> None:
    for name, (soft, hard) in limits.items():
        kind = getattr(resource, name)
        most = resource.getrlimit(kind)[1]
        if most != resource.RLIM_INFINITY:
            soft, hard = min(soft, most), min(hard, most)
        resource.setrlimit(kind, (soft, hard))


def shut_in(policy: dict[str, Any]) -> None:
    """Takes everything away from this process that `policy` does not leave it."""
    os.closerange(3, 65536)
    # Ignored signals would stay so in what this becomes.
    for number in (signal.SIGXCPU, signal.SIGTERM, signal.SIGINT, signal.SIGPIPE):
        signal.signal(number, signal.SIG_DFL)
    _prctl(_PDEATHSIG, signal.SIGKILL)
    if policy["parent"] and os.getppid() != policy["parent"]:
        raise OSError("who started this has ended")
    if _prctl(_NO_NEW_PRIVS, 1):
        raise OSError("no_new_privs was not taken")
    _drop_capabilities()
    if policy["landlock"]:
        _landlock(policy["folder"], policy["read"], policy["execute"])
    if policy["seccomp"]:
        seccomp.confine(whole_files=policy["landlock"] and landlock_version() < 3)
    # Last, since looking for rules takes memory and files, too.
    _limit(policy["limits"])


def main(arguments: list[str]) -> None:
    """Shuts itself in as the first argument says, and becomes the program after `--`."""
    policy, dashes, *program = arguments
    assert dashes == "--"
    try:
        shut_in(json.loads(policy))
        os.execv(program[0], program)
    except (OSError, ValueError) as error:
        print(f"the sandbox could not be closed: {error}", file=sys.stderr, flush=True)
        os._exit(NOT_SHUT_IN)


if __name__ == "__main__":
    main(sys.argv[1:])
