"""Print the lowest versions that pyproject.toml allows, as constraints for pip.

    python scripts/lowest_versions.py > constraints.txt

Only of the dependencies without an extra: `make lowest` installs these and nothing else. Needs the
standard library alone, because it runs before anything is installed.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

LOWEST = re.compile(r"(?P<name>[\w.-]+)(\[\w+\])?>=(?P<version>[\w.]+)")


def main() -> None:
    path = Path(__file__).parents[1] / "pyproject.toml"
    for requirement in tomllib.loads(path.read_text(encoding="utf-8"))["project"]["dependencies"]:
        bound = LOWEST.fullmatch(requirement)
        if bound is None:
            raise SystemExit(f"{path}: `{requirement}` has no lower bound, or more than that")
        print(f"{bound['name']}=={bound['version']}")


if __name__ == "__main__":
    main()
