"""Everything a config may say, with every default. Nothing else in xlt holds a default.

Languages are written in any form (`id`, `ind`, `Indonesian`) and come out of `xlt.config.load`
as ISO 639-3. `task` and `strategy` carry the options of a plugin: a name, plus whatever that
plugin's own `Options` model allows.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PositiveFloat, PositiveInt


class Section(BaseModel):
    """A part of the config: unknown keys are errors, values cannot change afterwards."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def _as_list(value: Any) -> Any:
    return [value] if isinstance(value, str | dict) else value


class Plugin(BaseModel):
    """`ner`, or `{name: ner, ...}` with the options of that plugin."""

    model_config = ConfigDict(extra="allow", frozen=True)

    name: str

    @property
    def options(self) -> dict[str, Any]:
        return dict(self.model_extra or {})


def _as_plugin(value: Any) -> Any:
    return {"name": value} if isinstance(value, str) else value


class Reference(Section):
    """One data set: a plain string, or this mapping where there is more to say.

    ref:     `card:language:split`, a local path, or `hf:dataset[/configuration]:split`.
    format:  the reader; by default what the card says, or the file's suffix.
    limit:   at most so many records, a sample drawn with `data_seed`.
    columns: for `hf:` and JSONL data: our field name → their column name.
    """

    ref: str
    format: str | None = None
    limit: PositiveInt | None = None
    columns: dict[str, str] = Field(default_factory=dict)


def _as_reference(value: Any) -> Any:
    return {"ref": value} if isinstance(value, str) else value


References = Annotated[
    list[Annotated[Reference, BeforeValidator(_as_reference)]], BeforeValidator(_as_list)
]


class LanguageData(Section):
    """The labelled data of one language. `all` names a card whose own splits are used."""

    all: str | None = None
    train: References = Field(default_factory=list)
    dev: References = Field(default_factory=list)
    test: References = Field(default_factory=list)


class Lora(Section):
    """Low-rank adaptation (Hu et al. 2021, arXiv 2106.09685) through peft."""

    rank: PositiveInt = 8
    alpha: PositiveFloat = 16.0
    dropout: float = Field(0.0, ge=0, lt=1)
    modules: list[str] | Literal["auto"] = "auto"


class Model(Section):
    """The pretrained encoder and what happens to it before training."""

    encoder: str = Field(description="a Hugging Face model id or a folder")
    revision: str | None = None
    initialise: Literal["pretrained", "random"] = "pretrained"
    max_length: PositiveInt | None = Field(
        None, description="pieces in a window; by default as many as the encoder takes"
    )
    attention: Literal["auto", "eager", "sdpa", "flash_attention_2"] = "auto"
    trim_vocabulary: bool = True
    lora: Lora | None = None
    trust_remote_code: bool = False


class Training(Section):
    """How a stage trains. `strategy.stages.<language>` may override any of it for one stage."""

    epochs: PositiveInt = 10
    max_steps: PositiveInt | None = Field(None, description="stop earlier than `epochs` would")
    learning_rate: PositiveFloat = 3e-5
    head_learning_rate: PositiveFloat | None = Field(
        None, description="for the task's own layers; by default `learning_rate`"
    )
    layer_decay: float = Field(
        1.0, gt=0, le=1, description="each layer's rate is this times that of the layer above"
    )
    schedule: Literal["linear", "cosine", "constant"] = "linear"
    warmup: float = Field(0.1, ge=0, lt=1, description="share of the steps")
    weight_decay: float = Field(0.01, ge=0)
    adam_betas: tuple[float, float] = (0.9, 0.999)
    max_grad_norm: PositiveFloat = 1.0
    batch_tokens: PositiveInt = Field(2048, description="pieces in a batch, padding included")
    accumulate: PositiveInt = 1
    precision: Literal["auto", "bf16", "fp16", "fp32"] = "auto"
    gradient_checkpointing: bool = False
    freeze: list[str] = Field(
        default_factory=list,
        description="`embeddings`, `encoder`, `layers:N` (the N lowest); empty: all is trained",
    )
    evaluate_every: PositiveInt | None = Field(None, description="steps; by default an epoch")
    checkpoint_every: PositiveInt | None = Field(
        None, description="steps between resumable checkpoints; by default an epoch"
    )
    report_to: list[str] = Field(
        default_factory=list, description="tensorboard, wandb, mlflow: as transformers names them"
    )
    hub_model_id: str | None = Field(None, description="push the finished model there")


class Selection(Section):
    """Which checkpoint of a stage is kept."""

    on: Literal["source_dev", "target_dev", "last"] = "source_dev"
    metric: str | None = Field(None, description="by default the first metric of the task")
    patience: PositiveInt | None = Field(
        None, description="evaluations without a better score before the stage stops"
    )


class Evaluation(Section):
    splits: list[Literal["dev", "test"]] = Field(default_factory=lambda: ["test"])
    batch_tokens: PositiveInt = 8192
    bootstrap: PositiveInt = Field(1000, description="resamples for confidence intervals")


class Output(Section):
    root: Path = Field(Path("runs"), description="holds one folder a run, and the shared stages")


class Config(Section):
    """A transfer: labels in `source`, a model for `target`, carried over by `strategy`."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    task: Annotated[Plugin, BeforeValidator(_as_plugin)]
    model: Model
    data: dict[str, LanguageData]
    source: Annotated[list[str], BeforeValidator(_as_list)] = Field(default_factory=list)
    target: Annotated[list[str], BeforeValidator(_as_list)] = Field(min_length=1)
    strategy: Annotated[Plugin, BeforeValidator(_as_plugin)] = Plugin(name="zero_shot")
    training: Training = Training()
    selection: Selection = Selection()
    evaluation: Evaluation = Evaluation()
    seeds: list[int] = Field(default_factory=lambda: [1, 2, 3], min_length=1)
    data_seed: int = Field(1, description="for samples drawn from the data; the same in all seeds")
    output: Output = Output()
