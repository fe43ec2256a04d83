"""The processor's cores and memory, as all engines are given them alike."""

from __future__ import annotations

import os
from pathlib import Path

HUGE = "glibc.malloc.hugetlb=1"  # malloc asks for transparent huge pages, as our executable does for its weights


def cores(threads: int) -> list[int]:
    """The processors for so many threads: of those that this process may use, one a core first."""
    allowed = sorted(os.sched_getaffinity(0))
    return sorted(sorted(allowed, key=lambda cpu: (_place_in_core(cpu), cpu))[:threads])


def _place_in_core(cpu: int) -> int:
    """0 for the first processor of a core, 1 for its second."""
    try:
        text = Path(f"/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list").read_text()
    except OSError:
        return 0
    siblings: list[int] = []
    for part in text.strip().split(","):
        first, _, last = part.partition("-")
        siblings += range(int(first), int(last or first) + 1)
    return siblings.index(cpu)


def environment(threads: int) -> dict[str, str]:
    """Variables of every engine's process."""
    return {
        **os.environ,
        "OMP_NUM_THREADS": str(threads),
        "MKL_NUM_THREADS": str(threads),
        "GLIBC_TUNABLES": HUGE,
        "TORCHINDUCTOR_COMPILE_THREADS": "1",  # no workers that wait beside what is measured
    }


def processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return "unknown"
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")


def huge_pages() -> str:
    """The kernel's transparent huge pages: always, madvise or never."""
    try:
        text = Path("/sys/kernel/mm/transparent_hugepage/enabled").read_text()
    except OSError:
        return "unknown"
    return text.partition("[")[2].partition("]")[0]
