"""Tries, by number, calls that change the machine or look into others."""

# lint: `ctypes`
# jail: none of them
import ctypes
import platform

libc = ctypes.CDLL(None, use_errno=True)
column = {"x86_64": 0, "aarch64": 1}[platform.machine()]
calls = {
    "ptrace": (101, 117), "process_vm_readv": (310, 270), "keyctl": (250, 219), "bpf": (321, 280),
    "mount": (165, 40), "unshare": (272, 97), "setns": (308, 268), "pivot_root": (155, 41),
    "perf_event_open": (298, 241), "userfaultfd": (323, 282), "io_uring_setup": (425, 425),
    "memfd_create": (319, 279), "open_by_handle_at": (304, 265), "init_module": (175, 105),
    "kexec_load": (246, 104), "reboot": (169, 142), "clone3": (435, 435), "fsopen": (430, 430),
    "pidfd_open": (434, 434), "pidfd_getfd": (438, 438), "shmget": (29, 194), "setuid": (105, 146),
    "inotify_init1": (294, 26), "seccomp": (317, 277), "personality": (135, 92),
}  # fmt: skip
refused = (1, 38)
passed = []
for name, numbers in calls.items():
    ctypes.set_errno(0)
    if libc.syscall(numbers[column], 0, 0, 0, 0, 0) != -1 or ctypes.get_errno() not in refused:
        passed.append(name)
raise RuntimeError(f"passed: {', '.join(passed) or 'none of them'}")
