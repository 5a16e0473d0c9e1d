"""What neural translators share: codes for languages, long inputs, batches of similar length."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, NamedTuple

import regex  # type: ignore[import-untyped]
from pydantic import Field

from xlt import languages
from xlt.config.schema import Model
from xlt.errors import XltError, choose
from xlt.options import Beams, Count, LocalPath
from xlt.projection.translate.base import Translation, Translator, TranslatorOptions
from xlt.projection.translate.codes import Scheme, code_for, inner, names, scheme_of

if TYPE_CHECKING:
    from xlt.model.backbone import Backbone

_CLAUSE = regex.compile(r"(?<=[,;:،、，；])\s*|\s+(?=[(\[])", regex.VERSION1)
MAX_INPUT_LENGTH = 512
"""Subwords of an input, even where the model states a higher limit or none."""


class NeuralOptions(TranslatorOptions):
    model: Annotated[str, LocalPath("existing")] = Field(
        description="a Hugging Face model id, or a folder: NLLB-200, M2M100, mBART-50, OPUS-MT "
        "(Marian) or MADLAD-400"
    )
    source_code: str | None = Field(
        default=None, description="the model's own code, where it is not to be found (`zho_Hant`)"
    )
    target_code: str | None = Field(default=None, description="the same for the target language")
    beams: Beams = 4
    batch_tokens: Count = Field(
        default=4096, description="subwords in a batch of inputs, padding included, times beams"
    )


def room_for(subwords: int) -> int:
    """Subwords that an output may have: loops do not end by themselves, and no sentence grows to
    more than twice its length."""
    return 2 * subwords + 16


class Direction(NamedTuple):
    """How the model is told what to do. prefix: put before the input; source: the tokenizer's
    name for the source language; forced: the first subword of the output."""

    prefix: str = ""
    source: str | None = None
    forced: str | None = None


class Neural(Translator):
    """A sequence-to-sequence model with a Hugging Face tokenizer."""

    Options: ClassVar[type[TranslatorOptions]] = NeuralOptions
    options: NeuralOptions

    @abstractmethod
    def generate(self, batch: Sequence[Sequence[int]], direction: Direction) -> list[Sequence[int]]:
        """The output subwords of each input, without what only says that it begins or ends."""

    def check(self, source: str, target: str) -> None:
        self.direction(source, target)

    def direction(self, source: str, target: str) -> Direction:
        """Raises XltError where the model cannot translate these languages."""
        where = f"translator: {self.options.model}"
        scheme = scheme_of(self._subwords)
        if scheme is None:
            self._check_bilingual(source, target, where)
            return Direction()
        wanted = self._code(scheme, target, self.options.target_code, where)
        if not scheme.forced:
            return Direction(prefix=wanted + " ")
        own = self._code(scheme, source, self.options.source_code, where)
        return Direction(source=inner(own, scheme), forced=wanted)

    def translate(self, texts: Sequence[str], source: str, target: str) -> list[Translation]:
        from xlt.data.batch import prediction_batches

        direction = self.direction(source, target)
        parts = [self._within_limit(text, direction) for text in texts]
        inputs = [ids for one in parts for ids in one]
        outputs: list[Sequence[int]] = [()] * len(inputs)
        budget = max(1, self.options.batch_tokens // self.options.beams)
        for batch in prediction_batches([len(ids) for ids in inputs], budget):
            generated = self.generate([inputs[k] for k in batch], direction)
            for k, output in zip(batch, generated, strict=True):
                # What a batch's longest input leaves room for must not show in the others' outputs.
                own = output[: room_for(len(inputs[k]))]
                outputs[k] = [subword for subword in own if subword not in self._code_ids]
        decoded = (
            text.replace("\0", "").strip()  # bytes can spell NUL, which no text has
            for text in self.tokenizer.batch_decode(
                [list(output) for output in outputs], skip_special_tokens=True
            )
        )
        from xlt.projection.translate.sentences import join

        return [Translation(join([next(decoded) for _ in one], target)) for one in parts]

    def identity(self, source: str, target: str) -> str:
        own = self.options.model_dump(mode="json", exclude={"batch_tokens", "model"})
        return f"{type(self).__name__} {self.backbone.content} {sorted(own.items())}"

    @cached_property
    def backbone(self) -> Backbone:
        from xlt.model.backbone import Backbone

        return Backbone(self.options.model, Model(encoder=self.options.model))

    @cached_property
    def tokenizer(self) -> Any:
        return self.backbone.tokenizer

    @cached_property
    def limit(self) -> int:
        """Subwords of an input."""
        return min(self.positions(), int(self.tokenizer.model_max_length), MAX_INPUT_LENGTH)

    def positions(self) -> int:
        """For how many subwords the model has positions."""
        known = getattr(self.backbone.config, "max_position_embeddings", None)
        return int(known or MAX_INPUT_LENGTH)

    def longest_output(self, batch: Sequence[Sequence[int]]) -> int:
        """Subwords that the outputs of a batch may have."""
        return min(room_for(max(map(len, batch))), self.limit - 2)

    @cached_property
    def _code_ids(self) -> set[int]:
        """The subwords that stand for languages, which are no part of a text."""
        scheme = scheme_of(self._subwords)
        codes = [p for p in self._subwords if scheme and scheme.pattern.fullmatch(p)]
        return set(self.tokenizer.convert_tokens_to_ids(codes)) if codes else set()

    @cached_property
    def _subwords(self) -> set[str]:
        return names(self.tokenizer)

    def _code(self, scheme: Scheme, language: str, given: str | None, where: str) -> str:
        if given is None:
            return code_for(self._subwords, scheme, language, where=where)
        if given not in self._subwords:
            known = [subword for subword in self._subwords if scheme.pattern.fullmatch(subword)]
            raise XltError(f"the model has no subword {given!r}", where=where,
                           fix=choose(given, known))  # fmt: skip
        return given

    def _check_bilingual(self, source: str, target: str, where: str) -> None:
        for side, wanted in (("source", source), ("target", target)):
            own = getattr(self.tokenizer, f"{side}_lang", None)
            if own is None:
                continue
            try:
                fits = languages.shared(own) == languages.shared(wanted)
            except XltError:  # a group of languages ("roa"): it cannot be told
                continue
            if not fits:
                raise XltError(
                    f"the model's {side} language is {languages.name(own)}, not "
                    f"{languages.name(wanted)}",
                    where=where,
                    fix="choose the model for this direction, or a multilingual one",
                )

    def _within_limit(self, text: str, direction: Direction) -> list[list[int]]:
        """The input's subwords: several inputs where it is longer than the model takes."""
        ids = self._encode(text, direction)
        if len(ids) <= self.limit:
            return [ids]
        halves = _halves(text)
        if halves is None:
            raise XltError(
                f"a sentence without a place to cut has {len(ids)} subwords, the model takes "
                f"{self.limit}: {text[:60]!r}",
                where=f"translator: {self.options.model}",
                fix="take it out of the data, or put spaces into it",
            )
        return [one for half in halves for one in self._within_limit(half, direction)]

    def _encode(self, text: str, direction: Direction) -> list[int]:
        tokenizer = self.tokenizer
        if direction.source is not None and tokenizer.src_lang != direction.source:
            tokenizer.src_lang = direction.source
        ids: list[int] = tokenizer(direction.prefix + text, truncation=False)["input_ids"]
        if direction.forced is not None or direction.prefix:
            self._assert_told(ids, direction)
        return ids

    def _assert_told(self, ids: list[int], direction: Direction) -> None:
        """The model is told its languages by subwords that are there, and not spelt in letters."""
        tokenizer = self.tokenizer
        scheme = scheme_of(self._subwords)
        assert scheme is not None
        subword = direction.prefix.strip() or next(
            p for p in self._subwords
            if scheme.pattern.fullmatch(p) and inner(p, scheme) == direction.source
        )  # fmt: skip
        if tokenizer.convert_tokens_to_ids(subword) not in ids[:2] + ids[-2:]:
            raise XltError(
                f"the tokenizer does not mark its input with {subword}",
                where=f"translator: {self.options.model}",
                fix="its files are incomplete or belong to another model; get them again",
            )


def _halves(text: str) -> tuple[str, str] | None:
    """The text cut at the clause boundary (else the space, else anywhere) nearest its middle."""
    middle = len(text) / 2
    for places in (
        [m.end() for m in _CLAUSE.finditer(text)],
        [m.end() for m in regex.finditer(r"\s+", text)],
        [round(middle)],
    ):
        inside = [p for p in places if text[:p].strip() and text[p:].strip()]
        if inside:
            place = min(inside, key=lambda p: abs(p - middle))
            return text[:place].strip(), text[place:].strip()
    return None
