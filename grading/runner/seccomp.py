"""The system calls that no learner's process gets, as the filter that bubblewrap installs (seccomp).

Memory of these kinds belongs to no process, so the watchdog would not see it (memfd, System V); keys
outlive the sandbox; the rest are ways into another process or into the kernel that a notebook has no
use for.
"""

import platform
import struct

#: Name, and its number on x86-64 and on 64-bit ARM.
_REFUSED = {
    "memfd_create": (319, 279),
    "memfd_secret": (447, 447),
    "shmget": (29, 194),
    "msgget": (68, 186),
    "semget": (64, 190),
    "mq_open": (240, 180),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "pidfd_getfd": (438, 438),
    "kcmp": (312, 272),
    "ioprio_set": (251, 30),
    "unshare": (272, 97),
    "setns": (308, 268),
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
}
#: What the kernel calls a machine, and the machine's place in the table.
_MACHINES = {"x86_64": (0xC000003E, 0), "aarch64": (0xC00000B7, 1)}
_X32 = 0x40000000
_NR, _ARCH = 0, 4  # offsets in struct seccomp_data
_LOAD, _EQUAL, _AT_LEAST, _RETURN = 0x20, 0x15, 0x35, 0x06
_ALLOW, _REFUSE, _KILL = 0x7FFF0000, 0x00050000 | 1, 0x80000000  # 1 is EPERM


def refusal_filter(machine: str = platform.machine()) -> bytes:
    """The program for bubblewrap's ``--seccomp``; empty for a machine that is not in the table."""
    if machine not in _MACHINES:
        return b""
    architecture, column = _MACHINES[machine]
    numbers = sorted(pair[column] for pair in _REFUSED.values())
    # A jump counts the instructions in between: to "refuse", the last but one, and to "kill".
    left = len(numbers)
    program = [(_LOAD, 0, 0, _ARCH), (_EQUAL, 0, left + 4, architecture), (_LOAD, 0, 0, _NR)]
    program.append((_AT_LEAST, left + 1, 0, _X32))
    for number in numbers:
        program.append((_EQUAL, left, 0, number))
        left -= 1
    program += [(_RETURN, 0, 0, _ALLOW), (_RETURN, 0, 0, _REFUSE), (_RETURN, 0, 0, _KILL)]
    return b"".join(struct.pack("<HBBI", *instruction) for instruction in program)
