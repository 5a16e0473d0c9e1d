"""Build xlt/typology/coastlines.npz: the outlines of land, for `xlt predict-source --map`.

    python -m scripts.build_coastlines LAND [OUTPUT]

LAND is land-110m.json of the npm package world-atlas 2.0.2 (ISC): TopoJSON made from Natural Earth
1:110m, which is in the public domain. Arrays: `points`, shape (points, 2), east and north in
hundredths of a degree; `starts`, where each line begins. Equal inputs give an equal file.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from scripts.build_typology import write_archive

LICENCE = "Natural Earth 1:110m, public domain; through world-atlas 2.0.2 (ISC)"


def lines(topology: dict[str, Any]) -> list[np.ndarray]:
    """The arcs of a TopoJSON, each of shape (points, 2), east and north in degrees.

    Arcs are differences between quantised points (TopoJSON 1.0, section 2.1.3). One that goes
    around the back of the map is cut there.
    """
    scale, move = (np.array(topology["transform"][key]) for key in ("scale", "translate"))
    parts = []
    for arc in topology["arcs"]:
        points = np.cumsum(np.array(arc), axis=0) * scale + move
        parts += np.split(points, np.flatnonzero(np.abs(np.diff(points[:, 0])) > 180) + 1)
    return parts


def main() -> None:
    topology = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    default = Path(__file__).parents[1] / "xlt" / "typology" / "coastlines.npz"
    path = Path(sys.argv[2]) if len(sys.argv) > 2 else default
    rounded = [np.round(100 * line).astype(np.int16) for line in lines(topology)]
    starts = np.cumsum([0, *(len(line) for line in rounded[:-1])]).astype(np.int32)
    licence = np.frombuffer(LICENCE.encode(), dtype=np.uint8)
    write_archive({"points": np.vstack(rounded), "starts": starts, "licence": licence}, path)
    print(f"{path}: {path.stat().st_size:,} bytes, {len(rounded)} lines")


if __name__ == "__main__":
    main()
