"""What is left, after each stage, of what the stages before it have learnt.

The scores of each earlier task and language; and what the encoder knows of the target: the
pseudo-perplexity of text that it has not learnt from, a linear probe of parts of speech, and how
alike its vectors of words are to those that it began with. All on the dev data, of which at most
`xlt.training.data.MAX_SAMPLE` records count, and on `text` and `tags` of the target.
"""

from __future__ import annotations

import gc
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from xlt.config.intermediate import learning
from xlt.config.schema import BESIDE
from xlt.document import Document, Tags, Text
from xlt.evaluation.representation import FOLDS, linear_cka, probe
from xlt.inference.device import best_device, cast_for_inference, choose_precision
from xlt.inference.loading import make_direct_predictor
from xlt.inference.predictor import Predictor
from xlt.inference.word_vectors import word_vectors
from xlt.model.backbone import Backbone
from xlt.model.carry import base_of, carry
from xlt.model.folder import encoder_of, load_model
from xlt.model.masked import MaskedLanguageModel, predicts_masked
from xlt.runs.execute import Trained
from xlt.runs.experiment import Experiment
from xlt.runs.sources import Sources
from xlt.task import Example
from xlt.training.carried import first_encoder
from xlt.training.data import Data, sample
from xlt.training.finished import StageResult
from xlt.training.language_model import held_out, perplexity
from xlt.training.masking import MaskedBatches
from xlt.training.other_task import network
from xlt.training.pretrain_options import Pretraining
from xlt.training.scoring import encode_sets, mean_scores
from xlt.transfer.learnt import last_on, learnt
from xlt.transfer.stage import DataSplit, Stage, data_splits

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from transformers import PreTrainedModel

log = logging.getLogger(__name__)

MAX_WORDS = 2000
"""Of `text` and of `tags` whose vectors are looked at."""
PERPLEXITY_RISE, PROBE_DROP = 0.2, 3.0
"""What is warned of: so much more than before the stage; so many points less."""


def forgetting(experiment: Experiment, sources: Sources, trained: Trained) -> list[dict[str, Any]]:
    """One row a seed, target and stage, in the order of the plans; the first of each target, whose
    "stage" is None, is of the encoder before any. JSON-able:

    "scores": rows of "task" (None: the run's), "language", "metric", "score" and "drop", how much
    more it was after the stage that has learnt it. "perplexity", "tags" (accuracy, percent), "cka"
    (with the encoder before any stage) of the target: None where they cannot be had. "warnings".
    """
    if not experiment.remembers:
        return []
    measure = _Measure(experiment, sources)
    rows: list[dict[str, Any]] = []
    for (seed, target), results in trained.items():
        about = {"seed": seed, "target": target}
        rows += [about | row for row in measure.rows(target, results)]
    for told in dict.fromkeys(one for row in rows for one in row["warnings"]):
        log.warning("%s", told)
    return rows


class _Measure:
    """Measures stages of an experiment's plans, each once."""

    def __init__(self, experiment: Experiment, sources: Sources) -> None:
        self._experiment, self._sources = experiment, sources
        self._config = experiment.config
        self._device = best_device()
        self._scores: dict[Path, list[tuple[DataSplit, str, float]]] = {}

    def rows(self, target: str, results: Sequence[StageResult]) -> Iterator[dict[str, Any]]:
        """Of the plan of a target, whose stages came to these."""
        stages = self._experiment.plans[target].history
        known = _Known(self._experiment, self._sources, target, stages, results)
        before = known.of(None)
        yield {"stage": None, "kind": None, "scores": [], **before, "warnings": known.problems}
        best: dict[DataSplit, float] = {}
        rows: list[dict[str, float | None]] = []
        for n, (stage, result) in enumerate(zip(stages, results, strict=True)):
            scores = []
            for split, metric, value in self._scored(stages, results, n):
                best.setdefault(split, value)
                scores.append(
                    {
                        "task": split.task,
                        "language": split.language,
                        "metric": metric,
                        "score": value,
                        "drop": best[split] - value,
                    }
                )
            now = known.of(result)
            parents = [rows[stages.index(parent)] for parent in stage.parents] or [before]
            rows.append(now)
            told = list(_warnings(stage.name, target, parents, now))
            yield {
                "stage": stage.name,
                "kind": stage.kind,
                "scores": scores,
                **now,
                "warnings": told,
            }

    def _scored(
        self, stages: Sequence[Stage], results: Sequence[StageResult], number: int
    ) -> list[tuple[DataSplit, str, float]]:
        """The scores of a stage's model, and with its encoder of other tasks' layers."""
        stage, folder = stages[number], results[number].model_folder()
        if folder not in self._scores:
            found = []
            splits = learnt(self._config, stage)
            for name in dict.fromkeys(split.task for split in splits):
                gc.collect()  # of the one before
                if name is None:
                    backbone, predictor = self._own(folder)
                else:
                    trainer = results[stages.index(last_on(stage, name))].model_folder()
                    backbone, predictor = self._other(name, trainer, results[number])
                metric = learning(self._config, name).selection.metric
                metric = metric or predictor.task.metrics_reported[0]
                for split in splits:
                    if split.task == name:
                        value = self._score(predictor, backbone, split, metric)
                        found.append((split, metric, value))
            self._scores[folder] = found
        return self._scores[folder]

    def _score(
        self, predictor: Predictor, backbone: Backbone, split: DataSplit, metric: str
    ) -> float:
        data = self._sources.load(split)
        some = replace(data, records=[data.records[i] for i in sample(len(data.records))])
        encoded = encode_sets(predictor.task, [[some]], backbone)
        (value,) = mean_scores(predictor, encoded, metric, alone=True).values()
        return value

    def _own(self, folder: Path) -> tuple[Backbone, Predictor]:
        _, backbone, predictor = make_direct_predictor(
            folder,
            batch_tokens=self._config.evaluation.batch_tokens,
            precision=self._config.training.precision,
            options=self._config.model,
            task=self._experiment.task,
        )
        return backbone, predictor

    def _other(self, name: str, trainer: Path, now: StageResult) -> tuple[Backbone, Predictor]:
        """What the layers of another task, as a stage left them, make of an encoder."""
        task = self._experiment.task_of(name)
        backbone, model = network(trainer, self._config.model, task)
        encoder, tokenizer = encoder_in(self._experiment, now)
        carry(encoder, model.encoder, (tokenizer, backbone.tokenizer))
        del encoder
        precision = choose_precision(self._config.training.precision, self._device)
        model.to(self._device).eval()
        cast_for_inference(model, precision)
        budget = self._config.evaluation.batch_tokens
        task = task.for_labels(model.labels)
        return backbone, Predictor(task, model, budget, precision, self._device)


def encoder_in(experiment: Experiment, result: StageResult) -> tuple[PreTrainedModel, Any]:
    """The network with the encoder of a stage, and its tokenizer."""
    folder, options = result.model_folder(), experiment.config.model
    if result.labels is None:
        backbone = encoder_of(folder, options)
        return backbone.encoder(), backbone.tokenizer
    _, backbone, model = load_model(folder, options, experiment.task)
    return model.encoder, backbone.tokenizer


class _Known:
    """What encoders know of a target."""

    def __init__(
        self,
        experiment: Experiment,
        sources: Sources,
        target: str,
        stages: Sequence[Stage],
        results: Sequence[StageResult],
    ) -> None:
        self._experiment, self._config = experiment, experiment.config
        self._device = best_device()
        self._start = first_encoder(self._config, stages[0])
        text, tagged = (self._read(sources, target, split) for split in BESIDE)
        self._words = [one.text for one in _some(text.records)] if text else []
        self._tagged = _some(tagged.records) if tagged else []
        self._first: NDArray[np.float32] | None = None
        self.problems: list[str] = []
        if tagged and len(self._tagged) < FOLDS:
            self.problems.append(f"{target}: `tags` has fewer than {FOLDS} sentences")
            self._tagged = []
        self._masked = self._held_out(text, target, stages) if text else None
        head, self._headless = self._find_head(results) if self._masked else (None, [])
        self._head = head

    def _read(self, sources: Sources, target: str, split: str) -> Data | None:
        found = data_splits(self._config, target, split, required=False)
        return sources.load(found[0]) if found else None

    def _held_out(
        self, text: Data, target: str, stages: Sequence[Stage]
    ) -> tuple[MaskedBatches, list[Example]] | None:
        """Text that no stage learns from."""
        every = {
            (one.options.window, one.options.held_out): one.options
            for one in stages
            if isinstance(one.options, Pretraining)
            and any(split.language == target for split in one.train)
        }
        if len(every) > 1:
            self.problems.append(f"{target}: stages hold out different parts of its text")
            return None
        options = next(iter(every.values()), Pretraining(on=[target]))
        found = held_out(text, self._start, options, self._config, learnt=bool(every))
        if found is None:
            self.problems.append(f"{target}: no text is held out")
        return found

    def _find_head(
        self, results: Sequence[StageResult]
    ) -> tuple[Backbone | None, list[StageResult | None]]:
        """The encoder whose layers predict masked text: the first that has any, with those before
        it."""
        before: list[StageResult | None] = []
        for result in (None, *results):
            if result is None:
                backbone = self._start
            elif result.labels is None:
                backbone = encoder_of(result.model_folder(), self._config.model)
            else:
                before.append(result)
                continue
            if not backbone.random and predicts_masked(backbone):
                return backbone, before
            before.append(result)
        return None, before

    def of(self, result: StageResult | None) -> dict[str, float | None]:
        """Of a stage's encoder; None: of the one that the plan begins with, which comes first."""
        gc.collect()  # of the one before
        if result is None:
            encoder, tokenizer = self._start.encoder(), self._start.tokenizer
        else:
            encoder, tokenizer = encoder_in(self._experiment, result)
        found: dict[str, float | None] = dict.fromkeys(("perplexity", "tags", "cka"))
        if self._words:
            vectors = np.concatenate(self._vectors(encoder, self._words))
            self._first = vectors if self._first is None else self._first
            found["cka"] = linear_cka(self._first, vectors)
        if self._tagged:
            each = self._vectors(encoder, [one.text for one in self._tagged])
            found["tags"] = _probed(each, self._tagged)
        if self._head is not None and result not in self._headless:
            assert self._masked is not None
            model = MaskedLanguageModel.build(self._head, quiet=True)
            carry(encoder, model.encoder, (tokenizer, self._head.tokenizer))
            found["perplexity"] = perplexity(model, self._head, self._masked, self._config)
        return found

    def _vectors(
        self, encoder: PreTrainedModel, texts: Sequence[Text]
    ) -> list[NDArray[np.float32]]:
        budget = self._config.evaluation.batch_tokens
        base = base_of(encoder)
        return word_vectors(base, self._start, texts, budget=budget, device=self._device)


def _some(records: Sequence[Document]) -> list[Document]:
    """The first, of about `MAX_WORDS` words."""
    words, found = 0, []
    for record in records:
        if words >= MAX_WORDS:
            break
        words += len(record.text.words)
        found.append(record)
    return found


def _probed(vectors: Sequence[NDArray[np.float32]], records: Sequence[Document]) -> float:
    """The probe's accuracy on the words that have a tag."""
    kept, tags = [], []
    for each, record in zip(vectors, records, strict=True):
        own = record.layer(Tags, "tags").tags
        there = [n for n, tag in enumerate(own) if tag is not None]
        kept.append(each[there])
        tags.append([tag for tag in own if tag is not None])
    return probe(kept, tags)


def _warnings(
    stage: str,
    target: str,
    before: Sequence[Mapping[str, float | None]],
    now: Mapping[str, float | None],
) -> Iterator[str]:
    """What a stage has made worse of what the encoder knows. before: of those it starts from."""
    earlier = [one["perplexity"] for one in before if one["perplexity"] is not None]
    later = now["perplexity"]
    if earlier and later is not None and later > (1 + PERPLEXITY_RISE) * min(earlier):
        yield (
            f"{stage} forgets {target}: the pseudo-perplexity of its text rises from "
            f"{min(earlier):.2f} to {later:.2f}"
        )
    known = [one["tags"] for one in before if one["tags"] is not None]
    tags = now["tags"]
    if known and tags is not None and max(known) - tags > PROBE_DROP:
        yield (
            f"{stage} forgets {target}: a linear probe tells {tags:.1f} % of its parts of speech "
            f"from the vectors of words, before {max(known):.1f} %"
        )
