"""`transformers`: NLLB-200, M2M100, mBART-50, OPUS-MT and MADLAD-400 in PyTorch."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any, ClassVar, Literal

from xlt.errors import XltError
from xlt.inference.device import refuse_fp16
from xlt.model.decoder import end_id
from xlt.projection.translate.base import TranslatorOptions
from xlt.projection.translate.neural import Direction, Neural, NeuralOptions


class TransformersOptions(NeuralOptions):
    precision: Literal["auto", "bf16", "fp16", "fp32"] = "auto"


class Transformers(Neural):
    """Beam search with `generate`. A batch that does not fit into memory is halved."""

    Options: ClassVar[type[TranslatorOptions]] = TransformersOptions
    options: TransformersOptions

    def check(self, source: str, target: str) -> None:
        where = "translator transformers: precision"
        refuse_fp16(self.options.precision, self.backbone.config, where=where)
        super().check(source, target)

    def generate(self, batch: Sequence[Sequence[int]], direction: Direction) -> list[Sequence[int]]:
        import torch

        try:
            return self._generate(batch, direction)
        except (torch.OutOfMemoryError, MemoryError) as error:
            if len(batch) == 1:
                raise XltError(
                    f"out of memory translating a sentence of {len(batch[0])} subwords",
                    where="translator transformers: beams",
                    fix=f"lower it (now {self.options.beams}), or choose a smaller model",
                ) from error
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        half = len(batch) // 2
        return self.generate(batch[:half], direction) + self.generate(batch[half:], direction)

    def _generate(
        self, batch: Sequence[Sequence[int]], direction: Direction
    ) -> list[Sequence[int]]:
        import torch

        longest = max(map(len, batch))
        ids = torch.full((len(batch), longest), self.tokenizer.pad_token_id)
        mask = torch.zeros_like(ids)
        for row, subwords in enumerate(batch):
            ids[row, : len(subwords)] = torch.tensor(subwords)
            mask[row, : len(subwords)] = 1
        forced = None
        if direction.forced is not None:
            forced = self.tokenizer.convert_tokens_to_ids(direction.forced)
        with torch.inference_mode():
            generated = self._model.generate(
                input_ids=ids.to(self._device),
                attention_mask=mask.to(self._device),
                num_beams=self.options.beams,
                do_sample=False,
                forced_bos_token_id=forced,
                max_length=None,
                max_new_tokens=self.longest_output(batch),
            ).cpu()
        if forced is not None and not bool((generated[:, 1] == forced).all()):
            raise AssertionError(f"the model does not begin with {direction.forced}")
        return [row.tolist() for row in generated]

    def score_input(
        self, text: str, translation: str, direction: Direction
    ) -> tuple[list[int], list[int]]:
        """The subwords of a text and of its translation, its end included, for `score`."""
        target = self.tokenizer(translation, add_special_tokens=False)["input_ids"]
        return self._encode(text, direction), [*target, end_id(self.backbone)]

    def score(
        self, batch: Sequence[tuple[Sequence[int], Sequence[int]]], direction: Direction
    ) -> list[float]:
        """The mean log-probability of each translation's subwords."""
        import torch

        from xlt.data.prompt import pad_rows
        from xlt.model.seq2seq import start_id

        pad = self.backbone.pad_id
        ids = pad_rows([text for text, _ in batch], pad)
        targets = pad_rows([translation for _, translation in batch], pad)
        begin = [start_id(self._model.config)]
        if direction.forced is not None:
            begin.append(self.tokenizer.convert_tokens_to_ids(direction.forced))
        start = torch.tensor([begin] * len(batch))
        with torch.inference_mode():
            logits = self._model(
                input_ids=ids.to(self._device),
                attention_mask=(ids != pad).long().to(self._device),
                decoder_input_ids=torch.cat([start, targets[:, :-1]], 1).to(self._device),
            ).logits[:, len(begin) - 1 :]
            scores = logits.float().log_softmax(-1).cpu().gather(2, targets.unsqueeze(2)).squeeze(2)
        return [
            float(row[: len(translation)].mean())
            for row, (_, translation) in zip(scores, batch, strict=True)
        ]

    @cached_property
    def _model(self) -> Any:
        import torch
        from transformers import AutoModelForSeq2SeqLM

        from xlt.inference.device import DTYPES, choose_precision

        precision = choose_precision(self.options.precision, self._device)
        dtype = DTYPES.get(precision, torch.float32)
        model: Any = self.backbone.model(AutoModelForSeq2SeqLM)
        return model.eval().to(device=self._device, dtype=dtype)

    @cached_property
    def _device(self) -> str:
        from xlt.inference.device import best_device

        return best_device()
