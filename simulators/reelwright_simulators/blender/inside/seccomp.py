"""What the kernel may be asked for: a seccomp filter, written as classic BPF without any package.

It allows what simulating, rendering and Python need, and refuses everything else: sockets, new
processes, signals to others, tracing, mounting, links, changes of owners and modes. Processors:
x86_64 and aarch64. Source: seccomp(2), bpf(4); numbers of Linux's unistd.h.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct

_MACHINES = {"x86_64": (0xC000003E, 0), "aarch64": (0xC00000B7, 1), "arm64": (0xC00000B7, 1)}
"""The kernel's AUDIT_ARCH of each processor, and its column in the tables below."""
_X32 = 0x40000000
"""From this number on, calls of the x32 ABI, which no table here knows."""


def _numbers(table: str) -> dict[str, tuple[int | None, int | None]]:
    """The system calls of a table of `name:x86_64:aarch64`; `-` where a processor has none."""
    found: dict[str, tuple[int | None, int | None]] = {}
    for cell in table.split():
        name, *columns = cell.split(":")
        first, second = (None if number == "-" else int(number) for number in columns)
        found[name] = (first, second)
    return found


_ALLOWED = _numbers(
    """
    read:0:63 write:1:64 open:2:- close:3:57 stat:4:- fstat:5:80 lstat:6:- newfstatat:262:79
    statx:332:291 poll:7:- ppoll:271:73 select:23:- pselect6:270:72 lseek:8:62 mmap:9:222
    mprotect:10:226 munmap:11:215 mremap:25:216 brk:12:214 madvise:28:233 mincore:27:232
    msync:26:227 mbind:237:235 get_mempolicy:239:236 rt_sigaction:13:134 rt_sigprocmask:14:135
    rt_sigreturn:15:139 rt_sigpending:127:136 rt_sigtimedwait:128:137 rt_sigsuspend:130:133
    sigaltstack:131:132 pread64:17:67 pwrite64:18:68 readv:19:65 writev:20:66 preadv:295:69
    pwritev:296:70 preadv2:327:286 pwritev2:328:287 access:21:- faccessat:269:48
    faccessat2:439:439 pipe:22:- pipe2:293:59 sched_yield:24:124 dup:32:23 dup2:33:- dup3:292:24
    pause:34:- nanosleep:35:101 getitimer:36:102 setitimer:38:103 alarm:37:- getpid:39:172
    getppid:110:173 gettid:186:178 getpgid:121:155 getpgrp:111:- getsid:124:156 getuid:102:174
    geteuid:107:175 getgid:104:176 getegid:108:177 getresuid:118:148 getresgid:120:150
    getgroups:115:158 sendfile:40:71 copy_file_range:326:285 splice:275:76 tee:276:77 exit:60:93
    exit_group:231:94 wait4:61:260 waitid:247:95 uname:63:160 flock:73:32 fsync:74:82
    fdatasync:75:83 sync_file_range:277:84 truncate:76:45 ftruncate:77:46 fallocate:285:47
    fadvise64:221:223 getdents:78:- getdents64:217:61 getcwd:79:17 chdir:80:49 fchdir:81:50
    rename:82:- renameat:264:38 renameat2:316:276 mkdir:83:- mkdirat:258:34 rmdir:84:- creat:85:-
    unlink:87:- unlinkat:263:35 readlink:89:- readlinkat:267:78 umask:95:166 gettimeofday:96:169
    time:201:- times:100:153 getrlimit:97:163 setrlimit:160:164 getrusage:98:165 sysinfo:99:179
    sched_getparam:143:121 sched_getscheduler:145:120 sched_get_priority_max:146:125
    sched_get_priority_min:147:126 sched_rr_get_interval:148:127 sched_getaffinity:204:123
    getpriority:140:141 capget:125:90 statfs:137:43 fstatfs:138:44 arch_prctl:158:- futex:202:98
    futex_waitv:449:449 set_tid_address:218:96 set_robust_list:273:99 get_robust_list:274:100
    rseq:334:293 restart_syscall:219:128 getcpu:309:168 timer_create:222:107 timer_settime:223:110
    timer_gettime:224:108 timer_getoverrun:225:109 timer_delete:226:111 clock_gettime:228:113
    clock_getres:229:114 clock_nanosleep:230:115 epoll_create:213:- epoll_create1:291:20
    epoll_ctl:233:21 epoll_wait:232:- epoll_pwait:281:22 epoll_pwait2:441:441 eventfd:284:-
    eventfd2:290:19 timerfd_create:283:85 timerfd_settime:286:86 timerfd_gettime:287:87
    signalfd:282:- signalfd4:289:74 openat:257:56 openat2:437:437 close_range:436:436
    getrandom:318:278 membarrier:324:283 pkey_alloc:330:289 pkey_free:331:290
    pkey_mprotect:329:288 seccomp:317:277 execve:59:221
    """
)
"""What simulating, rendering and Python itself need, and what touches only the process."""

_RULED = _numbers(
    """
    clone:56:220 clone3:435:435 kill:62:129 tkill:200:130 tgkill:234:131 fcntl:72:25 ioctl:16:29
    prctl:157:167 prlimit64:302:261 sched_setaffinity:203:122
    """
)
"""Allowed for some arguments."""

_REFUSED = _numbers(
    """
    socket:41:198 socketpair:53:199 connect:42:203 accept:43:202 accept4:288:242 bind:49:200
    listen:50:201 sendto:44:206 recvfrom:45:207 sendmsg:46:211 recvmsg:47:212 sendmmsg:307:269
    recvmmsg:299:243 shutdown:48:210 getsockname:51:204 getpeername:52:205 setsockopt:54:208
    getsockopt:55:209 fork:57:- vfork:58:- execveat:322:281 ptrace:101:117
    process_vm_readv:310:270 process_vm_writev:311:271 process_madvise:440:440
    process_mrelease:448:448 kcmp:312:272 pidfd_open:434:434 pidfd_getfd:438:438
    pidfd_send_signal:424:424 rt_sigqueueinfo:129:138 rt_tgsigqueueinfo:297:240 move_pages:279:239
    migrate_pages:256:238 symlink:88:- symlinkat:266:36 link:86:- linkat:265:37 mknod:133:-
    mknodat:259:33 chmod:90:- fchmod:91:52 fchmodat:268:53 fchmodat2:452:452 chown:92:-
    fchown:93:55 lchown:94:- fchownat:260:54 utime:132:- utimes:235:- utimensat:280:88
    futimesat:261:- setxattr:188:5 lsetxattr:189:6 fsetxattr:190:7 removexattr:197:14
    lremovexattr:198:15 fremovexattr:199:16 mount:165:40 umount2:166:39 move_mount:429:429
    open_tree:428:428 fsopen:430:430 fsconfig:431:431 fsmount:432:432 fspick:433:433
    mount_setattr:442:442 pivot_root:155:41 chroot:161:51 unshare:272:97 setns:308:268
    swapon:167:224 swapoff:168:225 reboot:169:142 kexec_load:246:104 kexec_file_load:320:294
    init_module:175:105 finit_module:313:273 delete_module:176:106 quotactl:179:60
    quotactl_fd:443:443 acct:163:89 syslog:103:116 settimeofday:164:170 clock_settime:227:112
    clock_adjtime:305:266 adjtimex:159:171 sethostname:170:161 setdomainname:171:162 iopl:172:-
    ioperm:173:- modify_ldt:154:- personality:135:92 vhangup:153:58 nfsservctl:180:42
    lookup_dcookie:212:18 setuid:105:146 setgid:106:144 setreuid:113:145 setregid:114:143
    setresuid:117:147 setresgid:119:149 setfsuid:122:151 setfsgid:123:152 setgroups:116:159
    capset:126:91 setsid:112:157 setpgid:109:154 setpriority:141:140 sched_setscheduler:144:119
    sched_setparam:142:118 sched_setattr:314:274 ioprio_set:251:30 add_key:248:217
    request_key:249:218 keyctl:250:219 bpf:321:280 perf_event_open:298:241 userfaultfd:323:282
    io_uring_setup:425:425 io_uring_enter:426:426 io_uring_register:427:427 memfd_create:319:279
    memfd_secret:447:- inotify_init:253:- inotify_init1:294:26 inotify_add_watch:254:27
    fanotify_init:300:262 fanotify_mark:301:263 name_to_handle_at:303:264
    open_by_handle_at:304:265 shmget:29:194 shmat:30:196 shmctl:31:195 shmdt:67:197 semget:64:190
    semop:65:193 semtimedop:220:192 semctl:66:191 msgget:68:186 msgsnd:69:189 msgrcv:70:188
    msgctl:71:187 mq_open:240:180 mq_unlink:241:181 mq_timedsend:242:182 mq_timedreceive:243:183
    mq_notify:244:184 mq_getsetattr:245:185 io_setup:206:0 io_submit:209:2 io_getevents:208:4
    io_destroy:207:1 io_cancel:210:3 landlock_create_ruleset:444:444 landlock_add_rule:445:445
    landlock_restrict_self:446:446 vmsplice:278:75 mlock:149:228 mlock2:325:284 mlockall:151:230
    remap_file_pages:216:234 uselib:134:-
    """
)
"""Refused by name, with `Operation not permitted`; what no list names is refused as unknown."""


_SEALED = ("execve", "execveat", "seccomp")
"""What is refused, besides, from the moment on at which a stranger's script runs."""

_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN, _MASK = 0x20, 0x15, 0x35, 0x45, 0x06, 0x54
"""BPF: load a word, jump if equal, if at least, if any bit is set, return, keep some bits."""
_NUMBER, _ARCHITECTURE, _ARGUMENTS = 0, 4, 16
"""Where a call's number, its processor and its first argument stand in `struct seccomp_data`."""
_ALLOW, _KILL, _ERROR = 0x7FFF0000, 0x80000000, 0x00050000

_CLONE_THREAD = 0x00010000
_SET_OWNER_AND_THE_LIKE = (8, 10, 15, 1024, 1026)
"""fcntl: F_SETOWN, F_SETSIG and F_SETOWN_EX send signals to others, F_SETLEASE and F_NOTIFY
watch files."""
_IOCTLS = (0x5401, 0x5413, 0x5450, 0x5451, 0x5421, 0x541B)
"""Is it a terminal, its size, close on exec or not, non-blocking, bytes to read."""
_PRCTLS = (3, 15, 16, 21, 23, 27, 30, 38, 39, 0x53564D41)
"""Questions, the name of a thread or of memory, and giving up privileges."""

_Instruction = tuple[int, int, int, int]


def _arguments(index: int) -> int:
    """The lower half of an argument: all of them that are looked at are ints to the kernel."""
    return _ARGUMENTS + 8 * index


def _one_of(values: tuple[int, ...], *, argument: int, others: int) -> list[_Instruction]:
    """Allows the call if the argument is one of `values`, else refuses it with an error."""
    code: list[_Instruction] = [(_LOAD, 0, 0, _arguments(argument))]
    for value in values:
        code += [(_EQUAL, 0, 1, value), (_RETURN, 0, 0, _ALLOW)]
    return [*code, (_RETURN, 0, 0, _ERROR | others)]


def _rules(pid: int) -> dict[str, list[_Instruction]]:
    """What is done at each call that only some arguments are allowed for."""
    not_fcntl: list[_Instruction] = [(_LOAD, 0, 0, _arguments(1))]
    for command in _SET_OWNER_AND_THE_LIKE:
        not_fcntl += [(_EQUAL, 0, 1, command), (_RETURN, 0, 0, _ERROR | errno.EPERM)]
    return {
        "clone": [
            (_LOAD, 0, 0, _arguments(0)),
            (_ANY_BIT, 1, 0, _CLONE_THREAD),
            (_RETURN, 0, 0, _ERROR | errno.EPERM),
            (_RETURN, 0, 0, _ALLOW),
        ],
        # Its flags lie in memory, where no filter sees them; libraries fall back on clone.
        "clone3": [(_RETURN, 0, 0, _ERROR | errno.ENOSYS)],
        "kill": _one_of((pid,), argument=0, others=errno.EPERM),
        "tgkill": _one_of((pid,), argument=0, others=errno.EPERM),
        "tkill": [(_RETURN, 0, 0, _ERROR | errno.EPERM)],
        "fcntl": [*not_fcntl, (_RETURN, 0, 0, _ALLOW)],
        "ioctl": _one_of(_IOCTLS, argument=1, others=errno.ENOTTY),
        "prctl": _one_of(_PRCTLS, argument=0, others=errno.EPERM),
        "prlimit64": _one_of((0,), argument=0, others=errno.EPERM),
        "sched_setaffinity": _one_of((0,), argument=0, others=errno.EPERM),
    }


def _whole_files() -> dict[str, list[_Instruction]]:
    """No emptying of files but of those that are opened to be written.

    For Landlock before version 3, to which truncation is no writing.
    """

    def opened(flags: int) -> list[_Instruction]:
        return [
            (_LOAD, 0, 0, _arguments(flags)),
            (_ANY_BIT, 0, 3, os.O_TRUNC),
            (_MASK, 0, 0, os.O_ACCMODE),
            (_EQUAL, 0, 1, os.O_RDONLY),
            (_RETURN, 0, 0, _ERROR | errno.EPERM),
            (_RETURN, 0, 0, _ALLOW),
        ]

    return {
        "truncate": [(_RETURN, 0, 0, _ERROR | errno.EPERM)],
        "open": opened(1),
        "openat": opened(2),
        # Its flags lie in memory, where no filter sees them.
        "openat2": [(_RETURN, 0, 0, _ERROR | errno.ENOSYS)],
    }


def _column() -> tuple[int, int]:
    machine = platform.machine()
    if machine not in _MACHINES:
        raise OSError(errno.ENOSYS, f"no filter of system calls is known for {machine}")
    return _MACHINES[machine]


def _framed(code: list[_Instruction], architecture: int) -> list[_Instruction]:
    """`code` behind checks that the call is of this processor: another's numbers mean others."""
    start: list[_Instruction] = [
        (_LOAD, 0, 0, _ARCHITECTURE),
        (_EQUAL, 1, 0, architecture),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, _NUMBER),
    ]
    if architecture == _MACHINES["x86_64"][0]:
        start += [(_AT_LEAST, 0, 1, _X32), (_RETURN, 0, 0, _KILL)]
    return [*start, *code]


def _jail(pid: int, *, whole_files: bool) -> list[_Instruction]:
    architecture, column = _column()
    rules = {**_rules(pid), **(_whole_files() if whole_files else {})}
    code: list[_Instruction] = []
    for name, numbers in {**_ALLOWED, **_RULED, **_REFUSED}.items():
        number = numbers[column]
        if number is None:
            continue
        told = [(_RETURN, 0, 0, _ALLOW if name in _ALLOWED else _ERROR | errno.EPERM)]
        block = rules.get(name, told)
        code += [(_EQUAL, 0, len(block), number), *block]
    return _framed([*code, (_RETURN, 0, 0, _ERROR | errno.ENOSYS)], architecture)


def _seal() -> list[_Instruction]:
    architecture, column = _column()
    code: list[_Instruction] = []
    for name in _SEALED:
        number = {**_ALLOWED, **_REFUSED}[name][column]
        assert number is not None
        code += [(_EQUAL, 0, 1, number), (_RETURN, 0, 0, _ERROR | errno.EPERM)]
    return _framed([*code, (_RETURN, 0, 0, _ALLOW)], architecture)


class _Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("code", ctypes.c_void_p)]


def _install(code: list[_Instruction]) -> None:
    """Puts a filter on every thread of this process, for ever; `OSError` where that fails."""
    plain = b"".join(struct.pack("=HBBI", *instruction) for instruction in code)
    held = ctypes.create_string_buffer(plain, len(plain))
    program = _Program(len(code), ctypes.addressof(held))
    libc = ctypes.CDLL(None, use_errno=True)
    number = _ALLOWED["seccomp"][_column()[1]]
    set_filter, all_threads = 1, 1
    done = libc.syscall(
        ctypes.c_long(number), ctypes.c_ulong(set_filter), ctypes.c_ulong(all_threads),
        ctypes.byref(program),
    )  # fmt: skip
    if done:
        number = ctypes.get_errno() if done < 0 else errno.EBUSY
        raise OSError(number, f"the filter of system calls was not taken: {os.strerror(number)}")


def confine(*, whole_files: bool = False) -> None:
    """The filter for this process and the one program that it becomes; needs no_new_privs.

    `whole_files` also keeps files from being emptied that are not opened to be written.
    """
    _install(_jail(os.getpid(), whole_files=whole_files))


def seal() -> None:
    """From now on this process becomes no other program, and takes no further filter.

    `OSError` where filters do not work or no privileges were given up before.
    """
    _install(_seal())
