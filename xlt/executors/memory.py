"""What memory there is for processes here, and whom the kernel has killed for lack of it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

_PROC = Path("/proc")
_CGROUPS = Path("/sys/fs/cgroup")


def kills() -> int:
    """How many processes the kernel has killed for lack of memory: of this control group where it
    says so, else of the whole machine; 0 where the system does not say (not Linux)."""
    counts = [*_cgroup_files("memory.events", "memory.oom_control"), _PROC / "vmstat"]
    for path in counts:
        try:
            found = re.search(r"^oom_kill (\d+)$", path.read_text(encoding="ascii"), re.MULTILINE)
        except OSError:
            continue
        if found is not None:
            return int(found[1])
    return 0


def available() -> float:
    """GiB that processes of this control group can still take."""
    import psutil

    free = [psutil.virtual_memory().available]
    for files in zip(
        _cgroup_files("memory.max", "memory.limit_in_bytes"),
        _cgroup_files("memory.current", "memory.usage_in_bytes"),
        _cgroup_files("memory.stat", "memory.stat"),
        strict=True,
    ):
        try:
            limit, used, stat = (path.read_text(encoding="ascii") for path in files)
        except OSError:
            continue
        cached = re.search(r"^(?:total_)?inactive_file (\d+)$", stat, re.MULTILINE)
        if limit.strip() != "max":
            free.append(int(limit) - int(used) + (int(cached[1]) if cached else 0))
    return float(max(0, min(free)) / 2**30)


def _cgroup_files(unified: str, older: str) -> Iterator[Path]:
    """Files of the control group of this process, by their names in version 2 and in version 1."""
    try:
        lines = (_PROC / "self" / "cgroup").read_text(encoding="utf-8").splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, folder = line.split(":", 2)
        if not controllers:
            base, name = _CGROUPS, unified
        elif "memory" in controllers.split(","):
            base, name = _CGROUPS / "memory", older
        else:
            continue
        # In a container the group's own folder is often mounted as the root.
        yield base / folder.lstrip("/") / name
        yield base / name
