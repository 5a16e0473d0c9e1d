"""A tokenizer with another backend, made by way of its files."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_OF_ITS_OWN = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json")
"""The files of a tokenizer that know a changed one; others hold the whole vocabulary."""


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
