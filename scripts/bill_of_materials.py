"""The bill of materials of a release: what it was tested with, package by package (CycloneDX).

    python -m scripts.bill_of_materials CYCLONEDX OUT.json

CYCLONEDX is the program `cyclonedx-py`, which looks at the environment of this Python. What it
cannot know is xlt's version: pyproject.toml takes it from the code.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import xlt


def main(cyclonedx: str, out: str) -> None:
    done = subprocess.run(
        [cyclonedx, "environment", "--pyproject", "pyproject.toml", "--mc-type", "library",
         "--output-reproducible", sys.executable],
        check=True, capture_output=True, encoding="utf-8",
    )  # fmt: skip
    bill = json.loads(done.stdout)
    bill["metadata"]["component"]["version"] = xlt.__version__
    Path(out).parent.mkdir(parents=True, exist_ok=True)
    Path(out).write_text(json.dumps(bill, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    print(f"{out}: {len(bill['components'])} packages")


if __name__ == "__main__":
    main(*sys.argv[1:])
