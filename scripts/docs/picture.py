"""`python -m scripts.docs.picture PAGE IMAGE`: the top of a page as a browser shows it.

Chromium without a window draws it; of Debian's packages: chromium.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

WIDTH, HEIGHT = 1000, 1350
MAX_BYTES = 200_000


def draw(page: Path, image: Path) -> None:
    """Raises ValueError for an image that is too large for a repository."""
    size = f"--window-size={WIDTH},{HEIGHT}"
    command = ["chromium", "--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]
    image.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run(
        [*command, size, f"--screenshot={image.resolve()}", page.resolve().as_uri()],
        check=True,
        stderr=subprocess.DEVNULL,
    )
    if image.stat().st_size > MAX_BYTES:
        raise ValueError(f"{image} has {image.stat().st_size:,} bytes, more than {MAX_BYTES:,}")


if __name__ == "__main__":
    draw(*map(Path, sys.argv[1:]))
