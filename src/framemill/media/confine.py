"""What a child that reads media may not do, whatever takes it over: made of system calls alone, after the fork.

No sockets, so no network and no talk with other processes; no look into other processes and no signals to them; of
root's rights those over files alone, and no more by what it starts; no more memory, files and time than anything right
takes. seccomp and Landlock are the kernel's own, need no rights themselves and pass through `exec` and `fork`. (A
network namespace would need rights that containers do not give, and costs twice as much: 1.1 ms instead of 0.5.)
"""

import ctypes
import platform
import resource
import sys
from dataclasses import dataclass
from typing import NamedTuple

_PR_SET_SECCOMP, _PR_SET_NO_NEW_PRIVS = 22, 38  # linux/prctl.h
_SECCOMP_MODE_FILTER = 2  # linux/seccomp.h
_EPERM = 1
_ALLOW, _REFUSE = 0x7FFF0000, 0x00050000 | _EPERM  # SECCOMP_RET_ALLOW, SECCOMP_RET_ERRNO
_LOAD, _EQUAL, _AT_LEAST, _RETURN = 0x20, 0x15, 0x35, 0x06  # BPF_LD|W|ABS, JMP|JEQ|K, JMP|JGE|K, RET|K
_NUMBER_AT, _ARCH_AT = 0, 4  # offsets in struct seccomp_data
_X32 = 0x40000000  # bit of x86-64's second set of numbers for the same calls

_CREATE_RULESET, _RESTRICT_SELF = 444, 446  # the same everywhere
_CREATE_RULESET_VERSION = 1
_WITH_SCOPES = 6  # version of Landlock that knows them; Linux 6.12
_BIND_TCP, _CONNECT_TCP = 1, 2
_ABSTRACT_SOCKETS, _SIGNALS = 1, 2

_CAPABILITY_VERSION = 0x20080522  # linux/capability.h
_OVER_FILES = 0b1111  # CAP_CHOWN, CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, CAP_FOWNER


class _Machine(NamedTuple):
    """What the kernel calls a processor (linux/audit.h), and the numbers of the calls that are refused there."""

    arch: int
    refused: tuple[int, ...]


#: In this order: socket, ptrace, process_vm_readv, process_vm_writev, io_uring_setup (which opens sockets, too),
#: pidfd_getfd, bpf, perf_event_open, userfaultfd, keyctl, add_key, request_key, unshare, setns, mount.
_MACHINES = {
    "x86_64": _Machine(0xC000003E, (41, 101, 310, 311, 425, 438, 321, 298, 323, 250, 248, 249, 272, 308, 165)),
    "aarch64": _Machine(0xC00000B7, (198, 117, 270, 271, 425, 438, 280, 241, 282, 219, 217, 218, 97, 268, 40)),
}


class _Instruction(ctypes.Structure):
    _fields_ = (("code", ctypes.c_uint16), ("jt", ctypes.c_uint8), ("jf", ctypes.c_uint8), ("k", ctypes.c_uint32))


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.POINTER(_Instruction)))


class _Asked(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _Rights(ctypes.Structure):
    _fields_ = (("effective", ctypes.c_uint32), ("permitted", ctypes.c_uint32), ("inheritable", ctypes.c_uint32))


class _Ruleset(ctypes.Structure):
    _fields_ = (("files", ctypes.c_uint64), ("net", ctypes.c_uint64), ("scoped", ctypes.c_uint64))


def _filter(machine: _Machine) -> _Program:
    """Refuses those calls, and all of another processor's."""
    numbers = machine.refused
    checks = [(_EQUAL, number, len(numbers) - 1 - at) for at, number in enumerate(numbers)]
    lines = [
        (_LOAD, 0, 0, _ARCH_AT),
        (_EQUAL, 0, len(checks) + 3, machine.arch),
        (_LOAD, 0, 0, _NUMBER_AT),
        (_AT_LEAST, len(checks) + 1, 0, _X32),
        *((code, left + 1, 0, number) for code, number, left in checks),
        (_RETURN, 0, 0, _ALLOW),
        (_RETURN, 0, 0, _REFUSE),
    ]
    return _Program(len(lines), (_Instruction * len(lines))(*(_Instruction(*line) for line in lines)))


_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None
_machine = _MACHINES.get(platform.machine()) if sys.maxsize > 1 << 32 else None
_program = _filter(_machine) if _libc is not None and _machine is not None else None
_asked, _rights = _Asked(_CAPABILITY_VERSION, 0), (_Rights * 2)()
_ruleset = _Ruleset(0, _BIND_TCP | _CONNECT_TCP, _ABSTRACT_SOCKETS | _SIGNALS)


@dataclass(frozen=True, slots=True)
class Bounds:
    """Back-stops: far above what anything right takes, and below what hurts the machine."""

    memory_bytes: int | None = None
    """Private memory; not the address space, of which drivers of graphics chips map more than there is."""
    file_bytes: int | None = None
    """Of one file that it writes."""
    cpu_seconds: int | None = None
    descriptors: int | None = None


def limit(bounds: Bounds) -> None:
    """Bound this process and what it starts; nothing that was bounded before is opened, and it leaves no core file."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # it would hold whatever the process had read
    wanted = (
        (resource.RLIMIT_DATA, bounds.memory_bytes),
        (resource.RLIMIT_FSIZE, bounds.file_bytes),
        (resource.RLIMIT_CPU, bounds.cpu_seconds),
        (resource.RLIMIT_NOFILE, bounds.descriptors),
    )
    # RLIMIT_NPROC counts all processes of the user, the farm's own among them: it would bound the wrong ones.
    for kind, most in wanted:
        if most is not None:
            _, hard = resource.getrlimit(kind)
            allowed = most if hard == resource.RLIM_INFINITY else min(most, hard)
            resource.setrlimit(kind, (allowed, allowed))


def confine() -> None:
    """Shut this process and what it starts off from the network and from other processes, as far as the kernel can.

    What it cannot is passed over here, and told by `unconfined`.
    """
    if _libc is None:
        return
    _libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    if not _libc.capget(ctypes.byref(_asked), _rights):
        kept = _rights[0].permitted & _OVER_FILES
        _rights[0], _rights[1] = _Rights(kept, kept, 0), _Rights(0, 0, 0)
        _libc.capset(ctypes.byref(_asked), _rights)
    if _landlock() >= _WITH_SCOPES:
        ruleset = _libc.syscall(_CREATE_RULESET, ctypes.byref(_ruleset), ctypes.sizeof(_ruleset), 0)
        if ruleset >= 0:
            _libc.syscall(_RESTRICT_SELF, ruleset, 0)
            _libc.close(ruleset)
    if _program is not None:
        _libc.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.byref(_program), 0, 0)


def _landlock() -> int:
    """The version of Landlock that this kernel has; below 1: none."""
    if _libc is None:
        return 0
    return int(_libc.syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), _CREATE_RULESET_VERSION))


def unconfined() -> str:
    """What this system cannot keep children from, in words; empty: it can all of it."""
    if _libc is None:
        return "this system can neither keep them from the network nor from other processes"
    lacks = [] if _program is not None else ["from the network (seccomp is not known on this processor)"]
    lacks += [] if _landlock() >= _WITH_SCOPES else ["from other processes of the user (Landlock of Linux 6.12)"]
    return f"this system cannot keep them {' and '.join(lacks)}" if lacks else ""
