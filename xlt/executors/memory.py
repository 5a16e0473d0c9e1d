"""Memory of this machine, and whom the kernel has killed for lack of it."""

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
