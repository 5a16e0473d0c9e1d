"""`mypy` over all code, tasks/ too: `python -m scripts.check_types [MYPY OPTION …]`.

tasks/ is imported as xlt.tasks (see [tool.setuptools] in pyproject.toml), which no setting of
mypy can express; a list of modules with their files can.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from mypy.fscache import FileSystemCache
from mypy.main import process_options, run_build
from mypy.modulefinder import BuildSource

ROOT = Path(__file__).resolve().parents[1]


def task_modules() -> list[BuildSource]:
    """Every module of tasks/ under the name that it is imported by."""
    sources = []
    for path in sorted((ROOT / "tasks").rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        name = ".".join(("xlt", *parts)).removesuffix(".__init__")
        sources.append(BuildSource(str(path.relative_to(ROOT)), name))
    return sources


def main() -> int:
    files = FileSystemCache()
    sources, options = process_options(sys.argv[1:], fscache=files)
    options.fast_module_lookup = True  # an import is looked for among the sources first
    sources += task_modules()
    _, messages, _ = run_build(sources, options, files, time.time(), sys.stdout, sys.stderr)
    errors = sum(": error: " in message for message in messages)
    print(f"{errors} errors in {len(sources)} files")
    return int(errors > 0)


if __name__ == "__main__":
    sys.exit(main())
