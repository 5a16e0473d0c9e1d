"""QuIST (Hwang et al. 2024, arXiv 2410.03197): a type of question first, then the question.

A classifier reads the answer and its context and chooses one of eight types; the generator then
reads the same with exemplar questions of that type before it. Exemplars are in the language of the
question that is to come: in training the source's, of the gold type; in prediction the target's,
of the predicted type. In the paper the two are separate models; here the classifier is a linear
layer on the mean of the generator's own encoder.
"""

from __future__ import annotations

import torch
from torch import nn

from xlt.data.batch import IGNORED
from xlt.model.backbone import Backbone
from xlt.model.generation import Generation
from xlt.model.seq2seq import Seq2Seq, over_items
from xlt.task import Labels


class QuestionGenerator(Seq2Seq):
    """Generates questions after exemplars of a type, which it chooses first.

    type_loss: weight of the classifier's loss, relative to that of a question's subwords.
    """

    def __init__(
        self, backbone: Backbone, labels: Labels, generation: Generation, type_loss: float
    ) -> None:
        super().__init__(backbone.seq2seq(), labels, backbone, generation)
        width = self.encoder.get_encoder().config.hidden_size
        self.types = nn.Linear(width, len(labels["question_type"]))
        self.type_loss = type_loss
        self.prefix = len(backbone.words.prefix)

    def forward(
        self,
        input_ids: torch.Tensor,
        window_of: torch.Tensor,
        target_input_ids: torch.Tensor | None = None,
        start_input_ids: torch.Tensor | None = None,
        labels: torch.Tensor | None = None,
        num_items_in_batch: torch.Tensor | int | None = None,
        weights: torch.Tensor | None = None,
        exemplar_input_ids: torch.Tensor | None = None,
        types: torch.Tensor | None = None,
    ) -> dict[str, torch.Tensor]:
        """Choose a type and generate, or return the loss: as `Seq2Seq.forward`, and also

        exemplar_input_ids: (records, types, length), with labels (records, 1, length).
        types:              (records,) gold types, or -100; with labels.

        Without labels it returns the `types` (records,) that it chose, too.
        """
        assert exemplar_input_ids is not None
        source = self.read(input_ids, window_of)
        mask = source.mask.unsqueeze(-1)
        mean = (source.states * mask).sum(1).float() / mask.sum(1)
        scores = self.types(mean)
        if labels is None:
            chosen = scores.argmax(-1)
            exemplars = exemplar_input_ids[torch.arange(len(chosen)), chosen]
            source = self.read(self.shown(input_ids, exemplars[window_of]), window_of)
            return {**self.generate(source, start_input_ids), "types": chosen}
        assert target_input_ids is not None
        assert types is not None
        exemplars = exemplar_input_ids[:, 0]
        source = self.read(self.shown(input_ids, exemplars[window_of]), window_of)
        sums = self.target_losses(source, target_input_ids, labels)
        targets = (labels != IGNORED).sum(1)
        # Of a record without targets nothing is learnt, its type neither.
        typed = nn.functional.cross_entropy(scores, types, ignore_index=IGNORED, reduction="none")
        sums = sums + self.type_loss * targets * typed
        return {"loss": over_items(sums, labels, num_items_in_batch, weights)}

    def shown(self, input_ids: torch.Tensor, exemplars: torch.Tensor) -> torch.Tensor:
        """Put exemplars (windows, length) into the windows, after their first special subwords."""
        begin, rest = input_ids[:, : self.prefix], input_ids[:, self.prefix :]
        ids = torch.cat([begin, exemplars, rest], 1)
        # Both parts have padding of their own: all of it goes to the end.
        there = ids != self.pad_id
        order = there.to(torch.int8).argsort(dim=1, descending=True, stable=True)
        return ids.gather(1, order)[:, : int(there.sum(1).max())]
