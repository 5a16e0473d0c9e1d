"""The vectors that an encoder has of the words of texts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from xlt.data.batch import prediction_batches
from xlt.data.encode import pool_words, word_arrays
from xlt.document import Text
from xlt.inference.device import out_of_memory

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from xlt.model.backbone import Backbone


def word_vectors(
    encoder: PreTrainedModel, backbone: Backbone, texts: Sequence[Text], *, budget: int, device: str
) -> list[NDArray[np.float32]]:
    """Of each text, (words, d): the mean of the last layer over a word's subwords; 0 for a word
    without any.

    encoder: with the full vocabulary; it gives `last_hidden_state`. backbone: whose subwords it
    reads. budget: subwords in a batch.
    """
    encoder.to(device).eval()  # type: ignore[arg-type]
    encoded = backbone.words(texts)
    found: list[NDArray[np.float32]] = [np.zeros((0, 0), np.float32)] * len(texts)
    with (
        out_of_memory(
            "computing the vectors of words",
            where="evaluation.batch_tokens",
            fix=f"lower evaluation.batch_tokens (now {budget})",
        ),
        torch.inference_mode(),
    ):
        for batch in prediction_batches([one.length for one in encoded], budget):
            chosen = [encoded[i] for i in batch]
            arrays = word_arrays(chosen, backbone.pad_id)
            tensors = {name: torch.from_numpy(one).to(device) for name, one in arrays.items()}
            hidden = encoder(
                input_ids=tensors["input_ids"], attention_mask=tensors["attention_mask"]
            ).last_hidden_state
            words = pool_words(hidden.float(), tensors["word_index"], tensors["word_mask"])
            for i, vectors, one in zip(batch, words.cpu().numpy(), chosen, strict=True):
                found[int(i)] = vectors[: one.n_words]
    return found
