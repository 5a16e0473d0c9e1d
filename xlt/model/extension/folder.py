"""The extended encoder: a folder in the cache that any `from_pretrained` reads, made once.

What is made from the same encoder, text and settings by the same code and libraries is found again.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from xlt.data.checksums import sha256
from xlt.data.code import code_hashes
from xlt.data.files import lines
from xlt.errors import XltError
from xlt.extras import installed
from xlt.model.extension.grow import METHODS, by_donor, by_text, grow, new_rows
from xlt.model.extension.pieces import Splitter, refusal
from xlt.model.extension.report import REPORT, said
from xlt.model.extension.subwords import encoded, extend
from xlt.model.made import made
from xlt.model.pooler import keep_pooler
from xlt.model.tokenizer_files import rebuilt
from xlt.model.vocabulary import stored_in

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from xlt.config.schema import VocabularyExtension
    from xlt.model.extension.grow import Compared
    from xlt.model.extension.initialise import Vectors
    from xlt.model.extension.subwords import Extension
    from xlt.model.pretrained import Pretrained

log = logging.getLogger(__name__)

MIN_LINES = 100
"""Different ones; fewer are no evidence of a language's subwords."""
HELD_OUT = 0.05
"""Share of the lines that nothing is learnt from: on them subwords are counted."""

_FORMAT = 1
_KEY = "model.vocabulary"
_PRECISIONS = {"F32": "float32", "F16": "float16", "BF16": "bfloat16"}
_LIBRARIES = ("tokenizers", "transformers", "numpy", "scipy")


def extended(base: Pretrained, settings: VocabularyExtension, donor: Pretrained | None) -> Path:
    """The folder of the encoder with further subwords; without a model where the text has none that
    the encoder lacks (`is_model`).

    donor: of `settings.donor`.

    Raises XltError for text that is missing or too little, for an encoder that cannot be extended,
    and as `made`.
    """
    for n, path in enumerate(settings.extend):
        if not Path(path).is_file():
            raise XltError(
                f"there is no file {path}",
                where=f"{_KEY}.extend.{n}",
                fix="write where the text is, a sentence a line",
            )
    recipe = {
        "format": _FORMAT,
        "encoder": base.content,
        "text": [sha256(Path(path)) for path in settings.extend],
        "settings": settings.model_dump(mode="json", exclude={"extend", "donor"}),
        "donor": None if donor is None else _content(donor),
        "code": code_hashes(object, "model"),
        "versions": {name: installed(name) for name in _LIBRARIES},
    }
    key = hashlib.sha256(json.dumps(recipe, sort_keys=True).encode()).hexdigest()
    return made(
        f"extended-{key[:16]}",
        lambda part: _write(part, base, settings, donor),
        f"the encoder {base.source} with further subwords",
        "as much as the encoder takes",
    )


def _content(donor: Pretrained) -> str:
    try:
        return donor.content
    except XltError as error:
        raise error.at(f"{_KEY}.donor") from error


def _read(settings: VocabularyExtension) -> list[str]:
    """The different lines of the text, in order."""
    found = {
        text: None
        for path in settings.extend
        for _, line in lines(Path(path))
        if (text := " ".join(line.split()))
    }
    if len(found) < MIN_LINES:
        raise XltError(
            f"there are only {len(found)} different lines of text; at least {MIN_LINES} are needed",
            where=f"{_KEY}.extend",
            fix="give more text, a sentence a line",
        )
    return list(found)


def _divide(every: Sequence[str], seed: int) -> tuple[list[str], list[str]]:
    """What is learnt from, and what is held out."""
    chosen = np.random.default_rng(seed).permutation(len(every))[: round(HELD_OUT * len(every))]
    held = {*chosen.tolist()}
    return (
        [line for n, line in enumerate(every) if n not in held],
        [line for n, line in enumerate(every) if n in held],
    )


def _write(
    part: Path, base: Pretrained, settings: VocabularyExtension, donor: Pretrained | None
) -> None:
    base.check_files()
    if getattr(base.config, "auto_map", None):
        raise refusal("comes with code of its own")
    learnt, held = _divide(_read(settings), settings.seed)
    old = Splitter(base.tokenizer)
    log.info("training %s subwords on %s lines", settings.subwords, len(learnt))
    extension = extend(base.tokenizer, learnt, settings.subwords)
    counts = [_count(state, held) for state in (old.state, extension.state)]
    found: dict[str, Any] = {
        "lines": len(learnt) + len(held),
        "held_out": len(held),
        "added": len(extension.new),
        "compared": 0,
        "drawn": 0,
        "fertility": [subwords / max(1, words) for subwords, words, _ in counts],
        "unknown": [unknown / max(1, subwords) for subwords, _, unknown in counts],
    }
    if extension.new:
        tokenizer = rebuilt(base.tokenizer, extension.state)
        if tokenizer.convert_ids_to_tokens(extension.first) != extension.new[0]:
            raise refusal("does not keep what is added to it")
        model = _to_grow(base)
        compared = _compared(extension, learnt, old, base, settings, donor)

        def rows(table: Vectors) -> Vectors:
            draw = np.random.default_rng(settings.seed)
            weigh = METHODS.get(settings.initialise)
            new, weighed, drawn = new_rows(table, extension.parts, draw, weigh, compared)
            found.update(compared=weighed, drawn=drawn)
            return new

        grow(model, extension.first, len(extension.new), rows)
        model.save_pretrained(part)
        tokenizer.save_pretrained(part)
    (part / REPORT).write_text(json.dumps(found, indent=1), encoding="utf-8")
    log.info("%s", said(found))


def _count(state: Mapping[str, Any], held: Sequence[str]) -> tuple[int, int, int]:
    """Subwords, words and unknown subwords of lines."""
    unknown = _unknown(state)
    subwords = lost = 0
    for ids in encoded(state, held):
        subwords += len(ids)
        lost += int((ids == unknown).sum())
    return subwords, sum(len(line.split()) for line in held), lost


def _unknown(state: Mapping[str, Any]) -> int:
    """The id of the unknown subword; -1 where there is none."""
    model = state["model"]
    if model["type"] == "Unigram":
        return -1 if model["unk_id"] is None else int(model["unk_id"])
    return int(model["vocab"].get(model["unk_token"] or "", -1))


def _compared(
    extension: Extension,
    learnt: Sequence[str],
    old: Splitter,
    base: Pretrained,
    settings: VocabularyExtension,
    donor: Pretrained | None,
) -> Compared | None:
    if settings.initialise not in METHODS:
        return None
    special = [*base.tokenizer.all_special_ids, _unknown(old.state)]
    if donor is None:
        return by_text(extension, learnt, special)
    try:
        table = _model(donor).get_input_embeddings().weight  # type: ignore[union-attr]
        values = table.detach().double().numpy()  # type: ignore[union-attr, operator]
        return by_donor(extension, learnt, special, old, donor.tokenizer, values)
    except XltError as error:
        raise error.at(f"{_KEY}.donor") from error


def _to_grow(base: Pretrained) -> PreTrainedModel:
    """With all of the encoder that is in the checkpoint; as precise as it is stored."""
    import torch

    model = _model(base)
    keep_pooler(model, base)
    stored = _precisions(base)
    return model.to(getattr(torch, stored.pop())) if len(stored) == 1 else model


def _model(base: Pretrained) -> PreTrainedModel:
    """With the head that writes subwords, if the checkpoint has one; in float32."""
    import transformers

    (named,) = (base.config.architectures or ["AutoModel"])[:1]
    kinds = {
        "ForMaskedLM": "AutoModelForMaskedLM",
        "ForPreTraining": "AutoModelForMaskedLM",
        "ForConditionalGeneration": "AutoModelForSeq2SeqLM",
        "ForCausalLM": "AutoModelForCausalLM",
        "EncoderModel": "AutoModelForTextEncoding",
    }
    kind = next((auto for end, auto in kinds.items() if named.endswith(end)), "AutoModel")
    return base.weights(getattr(transformers, kind))


def _precisions(base: Pretrained) -> set[str]:
    """Of the tensors on disk, as PyTorch calls them."""
    from safetensors import safe_open

    found: set[str] = set()
    for path in stored_in(base.source, base.options.revision):
        with safe_open(path, "pt") as file:
            kinds = {file.get_slice(name).get_dtype() for name in file.keys()}  # noqa: SIM118
        found |= {_PRECISIONS.get(kind, "") for kind in kinds}
    return found if "" not in found else set()
