"""Vocabulary trimming: train only the rows of the embedding that the data can reach.

XLM-R's 250k × 768 input matrix holds 69 % of the model's parameters; under AdamW it costs 2.9 GiB
and most of a step. A transfer between a few languages uses a tenth of it. Trimming (Abdaoui et
al. 2020, "Load What You Need: Smaller Versions of Multilingual BERT") usually throws the rest
away; here it is put aside and comes back unchanged when the model is saved.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from xlt.data.subwords import subwords_of
from xlt.errors import XltError
from xlt.model.vocabulary_tensors import (
    VocabularyTensor,
    assign,
    counts_positions_from_padding,
    get_tensor,
    resize,
    special_ids,
    vocabulary_tensors,
)

if TYPE_CHECKING:
    from transformers import PreTrainedModel

Ids = NDArray[np.int32]
SUBWORDS = "subwords.safetensors"
"""In a model folder: the subwords that it was trained with (`Trimmed.save`)."""
Stored = Callable[[str], torch.Tensor | None]
"""Name of a parameter → that parameter as it is on disk, or None if it is not there."""


def needed_subwords(
    subwords: Iterable[ArrayLike], vocabulary_size: int, keep: Iterable[int] = ()
) -> Ids:
    """Sorted ids of all subwords in `subwords` (arrays of ids of any shape) or in `keep`.

    Raises XltError for an id that the encoder has no row for.
    """
    seen = np.zeros(vocabulary_size, bool)
    for ids in (*subwords, np.fromiter(keep, np.int64)):
        array = np.asarray(ids, np.int64)
        if array.size and not 0 <= array.min() <= array.max() < vocabulary_size:
            raise XltError(
                f"the tokenizer gives subword {array.max()}, the encoder has {vocabulary_size}",
                where="model.encoder",
                fix="the tokenizer belongs to another model, or its added tokens need rows",
            )
        seen[array] = True
    return np.flatnonzero(seen).astype(np.int32)


_COMPARED_ROWS = 128


class Trimmed:
    """A model whose vocabulary has been reduced, in place, to the subwords it needs.

    Input embedding, output embedding with its bias (tied or not), `padding_idx`, and the
    vocabulary size and special ids in the configs all change together, so the trimmed model
    computes exactly what the full one does for the subwords it kept. Do this before the optimizer
    is made and before LoRA.

    model:     any PreTrainedModel, encoder or encoder-decoder.
    tokenizer: its special subwords are kept; its unknown subword (`Subwords.unknown` where it has
        none) stands for those that are not.
    subwords:  ids to keep (`needed_subwords`).
    stored:    reads a parameter back from the checkpoint (`stored_weights`), so that no full
        matrix stays in memory; where it has none, or another one than the model, the model's own
        matrix is kept on the CPU.

    kept:    (trimmed size,) ids kept, ascending; its index is the new id.
    table:   (full size,) old id → new id, and the unknown subword's for those not kept.
    unknown_seen: how many subwords `to_trimmed` has had to replace so far.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: Any,
        subwords: ArrayLike,
        *,
        stored: Stored | None = None,
    ) -> None:
        embedding: Any = model.get_input_embeddings()
        self.full_size = int(embedding.weight.shape[0])
        keep = {*map(int, tokenizer.all_special_ids), *special_ids(model, self.full_size)}
        # Not the padding, which is no text: a word of nothing else would not be there.
        unknown = tokenizer.unk_token_id
        unknown = subwords_of(tokenizer).unknown if unknown is None else int(unknown)
        padding = embedding.padding_idx
        if padding is not None and counts_positions_from_padding(model):
            # Keeping everything below it leaves the padding id, and so all positions, unmoved.
            keep |= set(range(padding + 1))
        keep |= {unknown} if padding is None else {unknown, int(padding)}
        self.kept = needed_subwords(
            [subwords], self.full_size, (id for id in keep if 0 <= id < self.full_size)
        )
        known = np.full(self.full_size, -1, np.int32)
        known[self.kept] = np.arange(len(self.kept), dtype=np.int32)
        self._is_kept = known >= 0
        self.table: Ids = np.where(self._is_kept, known, known[unknown])
        self.unknown_seen = 0

        self._shared = vocabulary_tensors(model, self.full_size)
        self._full: dict[str, torch.Tensor | None] = {}
        self._stored = stored
        rows = torch.from_numpy(self.kept.astype(np.int64))
        for shared in self._shared:
            full = get_tensor(model, shared, self.full_size)
            values = full.detach()
            self._full[shared.names[0]] = None if self._on_disk(shared, values) else values.cpu()
            trimmed = values.index_select(shared.axis, rows.to(values.device))
            assign(model, shared, trimmed, full.requires_grad)
        resize(model, self._shared, self.full_size, len(self.kept), self.table.__getitem__)

    def __len__(self) -> int:
        return len(self.kept)

    def to_trimmed(self, ids: ArrayLike, *, strict: bool = False) -> Ids:
        """New ids for old ones, same shape; subwords not kept become the unknown subword.

        Raises XltError for a subword that was not kept if `strict`.
        """
        array = np.asarray(ids)
        missing = int((~self._is_kept[array]).sum())
        if missing and strict:
            example = array[~self._is_kept[array]].flat[0]
            raise XltError(
                f"{missing} subwords are not in the trimmed vocabulary, the first is {example}",
                fix="trim to the subwords of all data that the model will see",
            )
        self.unknown_seen += missing
        result: Ids = self.table[array]
        return result

    def to_full(self, ids: ArrayLike) -> Ids:
        """Old ids for new ones, e.g. of generated text."""
        result: Ids = self.kept[np.asarray(ids)]
        return result

    def restore(self, model: PreTrainedModel) -> None:
        """Give `model` (the trimmed one, or a copy of it) its full vocabulary, in place.

        Kept rows are as trained, all others as they were, bit for bit. The model owns the full
        matrices afterwards; parameters are new, so an optimizer has to be made anew.
        """
        for shared in self._shared:
            trained = get_tensor(model, shared, len(self.kept))
            full = self._merge(shared, trained)
            if self._full[shared.names[0]] is not None:
                full = full.clone()  # two restored models must not share a matrix
            assign(model, shared, full.to(trained.device), trained.requires_grad)
        self.rename(model)

    @contextmanager
    def restored(self, model: PreTrainedModel) -> Iterator[None]:
        """`model` with its full vocabulary inside the block (on the CPU: it is there to be saved).

        Afterwards it is trimmed again, with the very parameters that the optimizer knows.
        """
        before = [get_tensor(model, shared, len(self.kept)) for shared in self._shared]
        for shared, trained in zip(self._shared, before, strict=True):
            assign(model, shared, self._merge(shared, trained), trained.requires_grad)
        self.rename(model)
        try:
            yield
        finally:
            for shared, trained in zip(self._shared, before, strict=True):
                assign(model, shared, trained, trained.requires_grad)
            resize(model, self._shared, self.full_size, len(self.kept), self.table.__getitem__)

    def rename(self, model: PreTrainedModel) -> None:
        """Give `model`, whose tensors are full again, its sizes and special ids back."""
        resize(model, self._shared, len(self.kept), self.full_size, self._back)

    def save(self, path: Path) -> None:
        """Write the kept ids; a checkpoint of the trimmed model is meaningless without them."""
        from safetensors.numpy import save_file

        save_file({"kept": self.kept}, path, metadata={"full_size": str(self.full_size)})

    def _merge(self, shared: VocabularyTensor, trained: torch.Tensor) -> torch.Tensor:
        """The full tensor on the CPU with the trained rows in their places."""
        name = shared.names[0]
        full = self._full[name]
        if full is None:
            full = self._read(name)
        full = full.to(trained.dtype)
        rows = torch.from_numpy(self.kept.astype(np.int64))
        # In place: the kept rows of the matrix set aside are never read.
        full.index_copy_(shared.axis, rows, trained.detach().cpu())
        return full

    def _read(self, name: str) -> torch.Tensor:
        full = None if self._stored is None else self._stored(name)
        if full is None:
            raise XltError(
                f"the encoder's files no longer hold {name}, which the trained rows belong into",
                where="model.encoder",
                fix="put the encoder's folder back where it was",
            )
        return full

    def _on_disk(self, shared: VocabularyTensor, values: torch.Tensor) -> bool:
        full = None if self._stored is None else self._stored(shared.names[0])
        if full is None or full.shape != values.shape:
            return False
        # Some rows tell another matrix from this one; all would pull the whole file into memory.
        size = values.shape[shared.axis]
        rows = torch.arange(0, size, max(1, size // _COMPARED_ROWS))
        ours = values.index_select(shared.axis, rows.to(values.device)).cpu()
        return torch.equal(full.index_select(shared.axis, rows).to(values.dtype), ours)

    def _back(self, id: int) -> int:
        return int(self.kept[id]) if id < len(self.kept) else id


@contextmanager
def narrowed(
    model: PreTrainedModel, tokenizer: Any, subwords: Iterable[ArrayLike]
) -> Iterator[Trimmed]:
    """`model`, which is not trained meanwhile, with these subwords alone inside the block.

    Afterwards it has the very tensors that it had before.
    """
    size = int(model.get_input_embeddings().weight.shape[0])  # type: ignore[union-attr, arg-type]
    shared = vocabulary_tensors(model, size)
    before = [get_tensor(model, one, size) for one in shared]
    vocabulary = Trimmed(model, tokenizer, needed_subwords(subwords, size))
    try:
        yield vocabulary
    finally:
        for one, full in zip(shared, before, strict=True):
            assign(model, one, full, full.requires_grad)
        vocabulary.rename(model)


def read_kept(path: Path) -> Ids:
    """The ids that `Trimmed.save` wrote. Raises XltError if the file is damaged."""
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        kept: Ids = load_file(path)["kept"]
    except (OSError, KeyError, SafetensorError) as error:
        raise XltError(
            f"the trimmed vocabulary cannot be read: {error}",
            where=path,
            fix="resume from an earlier checkpoint",
        ) from error
    return kept


def stored_in(
    source: str | Path, revision: str | None = None, pattern: str = "*.safetensors"
) -> list[Path]:
    """The safetensors of a folder, or of a hub id that is in the local cache; none if it is not.

    pattern: of other files' names.
    """
    folder = Path(source)
    if not folder.is_dir():
        from huggingface_hub import try_to_load_from_cache

        cached = try_to_load_from_cache(str(source), "config.json", revision=revision)
        if not isinstance(cached, str):
            return []
        folder = Path(cached).parent
    return sorted(folder.glob(pattern))


def stored_names(source: str | Path, revision: str | None = None) -> set[str]:
    """The names of the tensors in `stored_in`."""
    from safetensors import safe_open

    found: set[str] = set()
    for path in stored_in(source, revision):
        with safe_open(path, "pt") as file:
            found |= {*file.keys()}
    return found


def stored_weights(source: str | Path, revision: str | None = None) -> Stored:
    """Reads single parameters from safetensors, whatever prefix they have there.

    source: a folder, or a hub id that is in the local cache. A base model's checkpoint says
        `embeddings.…`, one with a head `roberta.embeddings.…`: both are found. Gives None for
        everything if there are no safetensors.
    """

    def read(name: str) -> torch.Tensor | None:
        from safetensors import safe_open

        paths: dict[str, Path] = {}
        # Listed anew: hours may have passed, and a file that is gone holds nothing.
        for path in stored_in(source, revision):
            with safe_open(path, "pt") as file:
                keys = set(file.keys())
            similar = {key for key in keys if key.endswith(f".{name}") or name.endswith(f".{key}")}
            paths |= dict.fromkeys({name} & keys or similar, path)
        key = name if name in paths else next(iter(paths), None)
        if key is None or (key != name and len(paths) > 1):
            return None
        with safe_open(paths[key], "pt") as file:
            tensor: torch.Tensor = file.get_tensor(key)
        return tensor

    return read
