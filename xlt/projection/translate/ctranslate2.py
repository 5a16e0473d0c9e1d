"""`ctranslate2`: the same models, converted, with 8-bit weights: several times faster on a CPU.

A folder is made once, with the package's own converter::

    ct2-transformers-converter --model facebook/nllb-200-distilled-600M --output_dir nllb-600m
        --quantization int8 --copy_files tokenizer.json tokenizer_config.json config.json

(`config.json` is written by the converter; the tokenizer may also be named in `tokenizer`.)
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field

from xlt.config.schema import Model
from xlt.errors import XltError
from xlt.model.content import folder_hash
from xlt.options import LocalPath
from xlt.projection.translate.base import TranslatorOptions
from xlt.projection.translate.neural import (
    MAX_INPUT_LENGTH,
    Direction,
    Neural,
    NeuralOptions,
)

if TYPE_CHECKING:
    from xlt.model.backbone import Backbone


class CTranslate2Options(NeuralOptions):
    model: Annotated[str, LocalPath("always")] = Field(description="a converted model's folder")
    tokenizer: Annotated[str, LocalPath("existing")] | None = Field(
        default=None, description="the model that was converted; by default its files in `model`"
    )
    precision: Literal["auto", "int8", "int8_bfloat16", "bfloat16", "float16", "float32"] = "auto"


class CTranslate2(Neural):
    """Needs the extra `ctranslate2`."""

    Options: ClassVar[type[TranslatorOptions]] = CTranslate2Options
    options: CTranslate2Options

    def check(self, source: str, target: str) -> None:
        _package()
        folder = Path(self.options.model)
        if not (folder / "model.bin").is_file():
            raise XltError(
                "this is no folder of a converted model: there is no model.bin",
                where=folder,
                fix=f"ct2-transformers-converter --model NAME --output_dir {folder} "
                "--quantization int8",
            )
        super().check(source, target)

    def identity(self, source: str, target: str) -> str:
        return f"{super().identity(source, target)} {folder_hash(Path(self.options.model))}"

    def generate(self, batch: Sequence[Sequence[int]], direction: Direction) -> list[Sequence[int]]:
        names = self.tokenizer.convert_ids_to_tokens
        results = self._translator.translate_batch(
            [names(list(subwords)) for subwords in batch],
            target_prefix=[[direction.forced]] * len(batch) if direction.forced else None,
            beam_size=self.options.beams,
            max_input_length=0,  # nothing is cut: longer inputs were split
            max_decoding_length=self.longest_output(batch),
        )
        outputs = []
        for result in results:
            subwords = result.hypotheses[0]
            if direction.forced is not None and subwords[:1] != [direction.forced]:
                raise AssertionError(f"the model does not begin with {direction.forced}")
            outputs.append(self.tokenizer.convert_tokens_to_ids(subwords))
        return outputs

    @cached_property
    def backbone(self) -> Backbone:
        from xlt.model.backbone import Backbone

        name = self.options.tokenizer or self.options.model
        return Backbone(name, Model(encoder=name))

    def positions(self) -> int:
        # The converter's own config.json says nothing of positions.
        return MAX_INPUT_LENGTH if self.options.tokenizer is None else super().positions()

    @cached_property
    def _translator(self) -> Any:
        package = _package()
        device = "cuda" if package.get_cuda_device_count() else "cpu"
        wanted = self.options.precision
        return package.Translator(
            self.options.model,
            device=device,
            compute_type="default" if wanted == "auto" else wanted,
        )


def _package() -> Any:
    try:
        import ctranslate2
    except ImportError as error:
        raise XltError(
            "ctranslate2 is not installed",
            where="translator ctranslate2",
            fix="pip install 'xlt[ctranslate2]', or use the translator `transformers`",
        ) from error
    return ctranslate2
