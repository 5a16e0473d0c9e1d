"""A model that predicts on translations of its input, alone or beside the input itself.

What it predicts on the translation is projected back (`strategy: translate_test`), or its
log-probabilities are carried back and averaged with those on the input (`translate_ensemble`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import torch
from pydantic import TypeAdapter, ValidationError, model_validator

from xlt.chat.endpoint import Endpoint
from xlt.config.schema import Model, Plugin, ProjectionSettings
from xlt.document import Document, Text
from xlt.files import DamagedFile, read_sealed
from xlt.inference.loading import make_direct_predictor
from xlt.inference.predictor import Predictor
from xlt.model.folder import add_file
from xlt.model.outside import References
from xlt.options import LanguageCode, Section, with_places
from xlt.permissions import KEY, ONLINE, Request, require
from xlt.projection import store
from xlt.projection.layers import project_document, translated
from xlt.projection.merge import merge
from xlt.projection.pair import AlignedPair
from xlt.projection.project import Projector
from xlt.projection.translate.cache import Cache
from xlt.registry import aligners, translators
from xlt.task import Averaging, Example, Generating, Labels, Task, generated_texts
from xlt.transfer.stage import Prediction
from xlt.yaml.problems import in_one_line

if TYPE_CHECKING:
    from xlt.model.backbone import Backbone
    from xlt.model.task_model import TaskModel

FILE = "prediction.json"
"""In a model's folder; without it the model predicts on the text itself."""


@dataclass
class ThroughTranslation:
    """A predictor as `Predictor`, which this one uses.

    projector: from the input's language into the one that the model reads better; made with
        ``annotate=False``.
    part:      which records these are (`test`), for translations and links from files.
    """

    predictor: Predictor
    backbone: Backbone
    projector: Projector
    ensemble: bool = False
    part: str = ""
    window: ClassVar[int | None] = None
    """A statistical aligner learns from all pairs, and a file's translations are in order."""

    def __post_init__(self) -> None:
        # On the way back everything that can be had is wanted.
        changes = {"guard": "keep", "require": [], "min_confidence": 0.0}
        self._settings = self.projector.settings.model_copy(update=changes)

    @property
    def task(self) -> Task:
        return self.predictor.task

    @property
    def labels(self) -> Labels:
        return self.predictor.labels

    @property
    def model(self) -> TaskModel:
        return self.predictor.model

    def __call__(
        self, documents: Sequence[Document], examples: Sequence[Example]
    ) -> list[Document]:
        """Copies of the documents with predicted annotation, in their order.

        Where there is no translation, or nothing comes back from it, the annotation is what the
        model predicts on the document itself.
        """
        # What the model is to write is not there to be read, in whatever language.
        unwritten = {name: Text("") for name in generated_texts(self.task)}
        given = [document.with_texts(**unwritten) for document in documents]
        pairs = [one.pairs for one in store.project(self.projector, given, part=self.part)]
        possible = {
            n: translated(self.task, given[n], by_name, self._settings)
            for n, by_name in enumerate(pairs)
            if all(pair.target.surface for pair in by_name.values())
        }
        usable = [n for n, document in possible.items() if document is not None]
        through = self.projector.target
        moved = [replace(d, language=through) for d in possible.values() if d is not None]
        encoded = self.task.encode(moved, self.backbone, None)
        if isinstance(self.task, Generating):
            projected = self._generated(self.task, moved, encoded)
        else:
            projected = self._projected(moved, encoded, [_reversed(pairs[n]) for n in usable])
        back = {usable[k]: one for k, one in projected.items()}
        if self.ensemble:
            return self._averaged(documents, examples, back)
        own = self.predictor(documents, examples)
        return [self._completed(one, back.get(n)) for n, one in enumerate(own)]

    def _completed(self, own: Document, back: _Projected | None) -> Document:
        """The model's own prediction with what came back from the translation, if anything."""
        if back is None or back.document is None:
            return own
        if isinstance(self.task, Generating):
            return self.task.accept(own, back.document)
        return merge(own, back.document)

    def _projected(
        self,
        moved: Sequence[Document],
        examples: Sequence[Example],
        pairs: Sequence[Mapping[str, AlignedPair]],
    ) -> dict[int, _Projected]:
        """What the model says of the translations, on the originals."""
        back = {}
        for batch, outputs in self.predictor.batches(examples):
            decoded = self.predictor.decode(moved, examples, batch, outputs)
            for row, (i, document) in enumerate(zip(batch, decoded, strict=True)):
                projection = project_document(self.task, document, pairs[i], self._settings)
                scores = {}
                if self.ensemble:
                    assert isinstance(self.task, Averaging), "the config's check lets none pass"
                    arrays = self.task.project_predictions(
                        outputs, row, pairs[i], projection, self.model.labels
                    )
                    scores = {name: torch.from_numpy(array) for name, array in arrays.items()}
                back[i] = _Projected(projection.document, scores)
        return back

    def _generated(
        self, task: Generating, moved: Sequence[Document], examples: Sequence[Example]
    ) -> dict[int, _Projected]:
        """What the model writes about the translations, itself translated back."""
        source, target = self.projector.target, self.projector.source
        predicted = self.predictor(moved, examples)
        with Cache() as cache:
            for name in task.generated_texts:
                texts = [document.texts[name].surface for document in predicted]
                back = self.projector.translator.stream(texts, source, target, cache=cache)
                predicted = [
                    document.with_texts(**{name: Text(one.text)})
                    for document, one in zip(predicted, back, strict=True)
                ]
        complete = [all(d.texts[name].surface for name in task.generated_texts) for d in predicted]
        return {
            n: _Projected(document if whole else None, {})
            for n, (document, whole) in enumerate(zip(predicted, complete, strict=True))
        }

    def _averaged(
        self,
        documents: Sequence[Document],
        examples: Sequence[Example],
        back: Mapping[int, _Projected],
    ) -> list[Document]:
        predicted: dict[int, Document] = {}
        for batch, outputs in self.predictor.batches(examples):
            for name in {name for i in batch if i in back for name in back[i].scores}:
                outputs[name] = outputs[name].clone()
                for row, i in enumerate(batch):
                    if i in back:
                        scores = back[i].scores[name]
                        own = outputs[name][row][tuple(slice(size) for size in scores.shape)]
                        own.copy_((own + scores) / 2)
            decoded = self.predictor.decode(documents, examples, batch, outputs)
            predicted.update(zip(batch, decoded, strict=True))
        return [predicted[i] for i in range(len(examples))]


@dataclass(frozen=True)
class _Projected:
    """A prediction for a translation, brought back.

    document: the prediction projected back, if any is left.
    scores:   see `Averaging.project_predictions`.
    """

    document: Document | None
    scores: Mapping[str, torch.Tensor]


def through_translation(
    predictor: Predictor,
    backbone: Backbone,
    prediction: Prediction,
    settings: ProjectionSettings,
    language: str,
    part: str = "",
) -> Predictor | ThroughTranslation:
    """The predictor itself, or one that does what `prediction` says for input in `language`."""
    if prediction.mode == "direct":
        return predictor
    projector = projector_of(predictor.task, prediction, settings, language)
    return ThroughTranslation(predictor, backbone, projector, prediction.mode == "ensemble", part)


def make_predictor(
    folder: Path,
    *,
    batch_tokens: int,
    precision: str = "auto",
    options: Model | None = None,
    confident: bool = False,
) -> tuple[Task, Backbone, Predictor | ThroughTranslation]:
    """A saved model, ready to predict on the best device here, as its folder says.

    Arguments as of `make_direct_predictor`. What comes back from a translation has no confidence.
    """
    task, backbone, predictor = make_direct_predictor(
        folder,
        batch_tokens=batch_tokens,
        precision=precision,
        options=options,
        confident=confident,
    )
    saved = load(folder)
    if saved is None:
        return task, backbone, predictor
    prediction, settings, language = saved
    through = through_translation(predictor, backbone, prediction, settings, language)
    return task, backbone, through


def projector_of(
    task: Task, prediction: Prediction, settings: ProjectionSettings, language: str
) -> Projector:
    """What translates the input. Raises XltError where that cannot be done on this machine."""
    assert prediction.through is not None
    projector = Projector(task, settings, language, prediction.through, annotate=False)
    if isinstance(task, Generating):
        projector.translator.check(prediction.through, language)
    return projector


def save(folder: Path, prediction: Prediction, settings: ProjectionSettings, language: str) -> None:
    """Say in a model's folder how it predicts, if not directly."""
    if prediction.mode != "direct":
        value = {"language": language, "prediction": asdict(prediction)}
        add_file(folder, FILE, {**value, "projection": settings.model_dump(mode="json")})


def load(folder: Path) -> tuple[Prediction, ProjectionSettings, str] | None:
    """What `save` wrote; None for a model that predicts directly.

    Raises DamagedFile, and XltError for what it may not use (`xlt.model.outside`).
    """
    path = folder / FILE
    fix = "restore it or train again"
    try:
        value = read_sealed(path, fix=fix, older=True)
        stated = _Saved.model_validate_json(json.dumps(value), strict=True)
        return stated.prediction, _allowed(stated.projection, path), stated.language
    except FileNotFoundError:
        return None
    except ValidationError as error:
        what = f"the file is damaged: {in_one_line(error)}"
        raise DamagedFile(what, where=path, fix=fix) from error


class _Saved(Section):
    """What the file may say."""

    language: LanguageCode
    prediction: Prediction
    projection: ProjectionSettings

    @model_validator(mode="after")
    def _goes_through_a_language(self) -> _Saved:
        if self.prediction.mode == "direct" or self.prediction.through is None:
            raise ValueError("`prediction` goes through no other language")
        TypeAdapter(LanguageCode).validate_python(self.prediction.through)
        return self


def _allowed(settings: ProjectionSettings, path: Path) -> ProjectionSettings:
    """The settings with paths inside the folder absolute. Raises XltError for what is outside."""
    references = References(path)
    settings = with_places(settings, references.at("projection"))
    plugins: dict[str, Plugin] = {}
    for name, registry in (("translator", translators), ("aligner", aligners)):
        plugin: Plugin | None = getattr(settings, name)
        if plugin is None:
            continue
        key = f"projection.{name}"
        kind = registry.get(plugin.name, where=path)
        options = with_places(kind.Options.model_validate(plugin.options), references.at(key))
        plugins[name] = Plugin(
            name=plugin.name, **options.model_dump(mode="json", exclude_unset=True)
        )
        if name == "translator" and kind.online:
            what = f"sends texts to {kind.service(plugin.name, plugin.options)}"
            require([Request(ONLINE, what, f"{path} ({key})")])
        if isinstance(options, Endpoint) and options.key_env is not None:
            references.ask(KEY, f"sends texts to {options.recipient}", f"{key}.key_env")
    references.finish()
    return settings.model_copy(update=plugins)


def _reversed(pairs: Mapping[str, AlignedPair]) -> dict[str, AlignedPair]:
    return {name: pair.reversed() for name, pair in pairs.items()}
