"""What the log-probabilities of a saved model are divided by, so that it is right as often as its
confidences say: temperature scaling (Guo et al. 2017, arXiv 1706.04599)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, ClassVar

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from xlt.files import DamagedFile, read_sealed
from xlt.model.folder import add_file
from xlt.yaml.problems import in_one_line

FILE = "calibration.json"
"""In a model's folder; without it all temperatures are 1."""

LOWEST, HIGHEST = 0.05, 20.0


@dataclass(frozen=True)
class Calibration:
    """temperatures: key of `Document.confidence` → what fits it best.
    fitted_on: the dev data, as results name them ("dev:eng").
    things: key → on how many things of these data it was fitted.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    temperatures: Mapping[str, Annotated[float, Field(ge=LOWEST, le=HIGHEST)]]
    fitted_on: str
    things: Mapping[str, int]


_CALIBRATION = TypeAdapter(Calibration)


def save(folder: Path, calibration: Calibration) -> None:
    """Write it as a part of the model."""
    add_file(folder, FILE, asdict(calibration))


def load(folder: Path) -> Calibration | None:
    """What `save` wrote; None for a model that was not calibrated. Raises DamagedFile."""
    path = folder / FILE
    fix = "restore it or train again"
    try:
        stated = json.dumps(read_sealed(path, fix=fix))
        return _CALIBRATION.validate_json(stated, strict=True)
    except FileNotFoundError:
        return None
    except ValidationError as error:
        what = f"the file is damaged: {in_one_line(error)}"
        raise DamagedFile(what, where=path, fix=fix) from error
