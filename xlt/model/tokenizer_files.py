"""A fast tokenizer's backend as it stands in files: read, and put in place of another's."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from xlt.errors import XltError

BYTE = re.compile(r"<0x[0-9A-Fa-f]{2}>")
"""A subword that stands for a byte of a character without one of its own."""

_KINDS = ("Unigram", "BPE", "WordPiece")
_OF_ITS_OWN = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json")
"""The files of a tokenizer that know a changed one; others hold the whole vocabulary."""


def read(
    tokenizer: Any, refusal: Callable[[str], XltError]
) -> tuple[dict[str, Any], dict[str, int]]:
    """A fast tokenizer's backend, as the tokenizers library writes it, and the ids of its subwords.

    refusal: what is wrong with the tokenizer → the error, which is raised for a tokenizer that has
        no list of subwords, or one of an unknown kind.
    """
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None:
        raise refusal("reads characters or bytes, or has no fast version")
    try:
        state: dict[str, Any] = json.loads(backend.to_str())
    except Exception as error:  # of no kind of its own: a part of it is written in Python
        raise refusal("has parts that cannot be written into a file") from error
    model = state["model"]
    if model["type"] not in _KINDS:
        raise refusal(f"is of an unknown kind ({model['type']})")
    vocabulary = model["vocab"]
    if isinstance(vocabulary, list):
        vocabulary = {piece: id for id, (piece, _) in enumerate(vocabulary)}
    return state, vocabulary


def rebuilt(tokenizer: Any, state: Mapping[str, Any], new: Mapping[int, int] | None = None) -> Any:
    """A tokenizer as this fast one, but for its backend.

    state: of the backend, as the tokenizers library writes it.
    new:   old id → new id, of those that are left; None: all have theirs.
    """
    from transformers import AutoTokenizer

    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        tokenizer.save_pretrained(folder)
        for path in folder.iterdir():
            if path.name not in _OF_ITS_OWN and path.suffix != ".jinja":
                path.unlink()
        text = json.dumps(state, ensure_ascii=False)
        (folder / "tokenizer.json").write_text(text, encoding="utf-8")
        path = folder / "tokenizer_config.json"
        config = json.loads(path.read_text(encoding="utf-8"))
        if new is not None and "added_tokens_decoder" in config:
            config["added_tokens_decoder"] = {
                str(new[int(id)]): token
                for id, token in config["added_tokens_decoder"].items()
                if int(id) in new
            }
        path.write_text(json.dumps(config, ensure_ascii=False), encoding="utf-8")
        return AutoTokenizer.from_pretrained(folder, local_files_only=True)
