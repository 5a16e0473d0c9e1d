"""What is published of pretrained encoders: licence, shape, window, scores. Nothing is loaded.

One file an encoder in ``encoders/``; each names its sources. What an encoder has read is known to
`xlt.typology.pretraining`.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError

from xlt.errors import XltError, choose
from xlt.options import Count, Section
from xlt.yaml.nodes import parse, read_text
from xlt.yaml.problems import in_one_line

FOLDER = Path(__file__).with_name("encoders")

_LAYERS = ("num_hidden_layers", "num_layers", "n_layers")
_WIDTH = ("hidden_size", "d_model", "dim")
_HEADS = ("num_attention_heads", "num_heads", "n_heads")


class Published(Section):
    """A score that was published of a model trained on this encoder.

    task: as `xlt.typology.scores` names it. Scores on the same `data` may be compared, at a pinch
        those of dev and test sets, too, of which `source` says which.
    """

    task: str
    data: str
    metric: str
    score: float
    source: str


class EncoderFacts(Section):
    """One encoder.

    ids:        what a config may call it; the first is what to write there.
    tokenizer:  encoders that have the same one split text alike.
    embeddings: parameters of the subword embeddings. rest: all others; of an encoder-decoder those
        of the encoder.
    config:     what of its config.json decides its shape.
    measured_as: what the tables of `xlt.typology.scores` call it.
    """

    name: str
    ids: list[str] = Field(min_length=1)
    licence: str
    research_only: bool = False
    source: str
    tokenizer: str
    window: Count
    embeddings: int = Field(ge=1)
    rest: int = Field(ge=1)
    stored_bytes: int = Field(default=4, description="of a parameter in the published file")
    config: dict[str, Any]
    measured_as: list[str] = Field(default_factory=list)
    published: list[Published] = Field(default_factory=list)

    @property
    def id(self) -> str:
        return self.ids[0]

    @property
    def layers(self) -> int:
        return self._number(_LAYERS)

    @property
    def width(self) -> int:
        return self._number(_WIDTH)

    @property
    def heads(self) -> int:
        return self._number(_HEADS)

    @property
    def vocabulary(self) -> int:
        """Rows of the embedding; 1 for an encoder of characters, whose table cannot be trimmed."""
        return int(self.config.get("vocab_size", 1))

    @property
    def parameters(self) -> int:
        return self.embeddings + self.rest

    @property
    def reads_characters(self) -> bool:
        """Whether it reads bytes or characters, so that a text is four to six times as long."""
        return self.tokenizer in ("bytes", "characters")

    @property
    def gigabytes(self) -> float:
        """Of its weights on disk."""
        return self.parameters * self.stored_bytes / 1e9

    def _number(self, names: tuple[str, ...]) -> int:
        return next(int(self.config[name]) for name in names if name in self.config)


@cache
def encoders() -> tuple[EncoderFacts, ...]:
    """All that are known, by name. Raises XltError where the files of the package are damaged."""
    return tuple(sorted(map(_read, sorted(FOLDER.glob("*.yaml"))), key=lambda one: one.name))


def find(encoder: str | None) -> EncoderFacts | None:
    """What is known of a model id or a folder, by its name; None where nothing is."""
    wanted = _last(encoder or "")
    return next((one for one in encoders() if wanted in map(_last, [*one.ids, one.name])), None)


def get(encoder: str) -> EncoderFacts:
    """As `find`. Raises XltError, with the nearest names, for one that is not known."""
    known = find(encoder)
    if known is None:
        raise XltError(
            f"nothing is known of an encoder called {encoder!r}",
            fix=choose(encoder, [one.id for one in encoders()]),
        )
    return known


def _last(name: str) -> str:
    return name.rstrip("/").rpartition("/")[2].casefold()


def _read(path: Path) -> EncoderFacts:
    root = parse(read_text(path), str(path), path.parent)
    try:
        content = None if root is None else root.plain()
        return EncoderFacts.model_validate_json(json.dumps(content), strict=True)
    except ValidationError as error:
        raise XltError(
            f"the file on an encoder is malformed: {in_one_line(error)}",
            where=path,
            fix="reinstall xlt",
        ) from error
