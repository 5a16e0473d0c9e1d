"""`xlt probe`: what a model gets right of challenge sets, phenomenon by phenomenon.

Beside every score stand its interval, the class balance, and what is reached without skill: by
always giving the split's most frequent answer, and by a model that does not see what the answer
depends on.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from xlt.document import Document, Label, Text
from xlt.errors import XltError, choose
from xlt.evaluation.statistics import (
    RECORDS,
    SEEDS_AND_RECORDS,
    Comparison,
    System,
    bootstrap_interval,
    judge,
    mean_sd,
    paired_difference,
)
from xlt.permissions import REMOTE_CODE, is_granted
from xlt.registry import data_cards
from xlt.runs.evaluate import spoken_language
from xlt.task import label_layer

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from xlt.data.resolved import ResolvedData
    from xlt.task import Labels, Task

MODEL, MAJORITY, CONTROL, ALL = "model", "majority", "control model", "all"
SPLITS_NOT_PROBED = ("train", "dev")
"""Splits that a suite named without one leaves out."""


@dataclass(frozen=True)
class Part:
    """One split of a suite.

    task:    reads and scores it; its labels are the suite's.
    answers: the model's label → the suite's, where they differ.
    """

    suite: str
    data: ResolvedData
    task: Task
    answers: Mapping[str, str]
    records: Sequence[Document]

    def counts(self, predicted: Sequence[Document]) -> NDArray[np.float64]:
        """Of predictions with the model's labels, (records, columns)."""
        return self._counts([self._mapped(one) for one in predicted])

    def _counts(self, answered: Sequence[Document]) -> NDArray[np.float64]:
        from xlt.evaluation.counts import count_matrix

        return count_matrix(self.task, self.records, answered)

    def _mapped(self, predicted: Document) -> Document:
        label = self.answers.get(self._label(predicted) or "")
        return predicted if label is None else self._with_label(predicted, label)

    def _label(self, document: Document) -> str | None:
        """The document's label ("" if it is not known), for tasks that predict just one."""
        layer = label_layer(self.task)
        return None if layer is None else document.layer(Label, layer).label or ""

    def _with_label(self, document: Document, label: str) -> Document:
        layer = label_layer(self.task)
        assert layer is not None, "only what has a label gets another"
        return document.with_layers(**{layer: Label(label)})

    def majority(self) -> NDArray[np.float64] | None:
        """Counts of always giving the answer that is most frequent here; None without answers."""
        balance = self.balance(range(len(self.records)))
        if not balance:
            return None
        answer = next(iter(balance))
        return self._counts([self._with_label(record, answer) for record in self.records])

    def balance(self, chosen: Iterable[int]) -> dict[str, float]:
        """Share of every answer in the gold of these records, the most frequent first."""
        answers = Counter(self._label(self.records[i]) for i in chosen)
        return {
            answer: count / answers.total()
            for answer, count in answers.most_common()
            if answer is not None
        }

    def groups(self) -> dict[str, NDArray[np.int64]]:
        """Group → positions of its records; all of them first."""
        positions: dict[str, list[int]] = {}
        for position, record in enumerate(self.records):
            for group in record.groups:
                positions.setdefault(group, []).append(position)
        everything = {ALL: np.arange(len(self.records))}
        return everything | {name: np.array(positions[name]) for name in sorted(positions)}


def probe(
    model: Path,
    suites: Sequence[str],
    *,
    language: str | None = None,
    answers: Mapping[str, str] | None = None,
    control: Path | None = None,
    limit: int | None = None,
    format: str | None = None,
    options: Mapping[str, Any] | None = None,
    batch_tokens: int = 8192,
    resamples: int = 1000,
) -> dict[str, Any]:
    """Scores of every group of every suite, with 95 % intervals, and of the controls.

    A group's `against` is the model's score less that of the control that is hardest to beat; all
    of them are one family, for which p is adjusted (`xlt.evaluation.statistics.judge`).

    model:   a model folder, or a run folder with one target, whose seeds are averaged.
    suites:  ``card``, ``card:language``, ``card:language:split``, a path, or ``hf:…``; without a
        split all of a card's but train and dev.
    answers: the model's label → the suites', beyond what their cards say.
    control: another model to set beside, such as one that was trained on half of the input.
    limit:   at most so many records of every split, always the same ones.
    format, options: of the reader of all suites, over what a card says.
    Raises XltError as the data and the model loaders do, and where the suite's labels are not
    those that the model's answers mean.
    """
    from xlt.model.folder import read_info

    folders = model_folders(model)
    others = [] if control is None else model_folders(control)
    task, labels = _task_of([*folders, *others])
    known = {label for layer in labels.values() for label in layer}
    for ours in answers or {}:
        if ours not in known:
            raise XltError(
                f"the model has no label {ours!r:.60}", where="--answer", fix=choose(ours, known)
            )
    asked = {"limit": limit, "format": format, "options": dict(options or {})}
    own = read_info(folders[0]).languages
    parts = [
        part
        for suite in suites
        for part in _parts(task, labels, own, suite, language, answers or {}, asked)
    ]
    outcomes = [_outcomes(folder, parts, batch_tokens) for folder in folders]
    controls = [_outcomes(folder, parts, batch_tokens, masked=False) for folder in others]
    rows: list[dict[str, Any]] = []
    for number, part in enumerate(parts):
        systems: dict[str, System] = {
            name: [outcome[number][name] for outcome in outcomes] for name in outcomes[0][number]
        }
        majority = part.majority()
        if majority is not None:
            systems[MAJORITY] = majority
        if controls:
            systems[CONTROL] = [outcome[number][MODEL] for outcome in controls]
        rows += _rows(part, systems, resamples)
    _judge(rows)
    return {
        "model": str(model),
        "seeds": len(folders),
        "metrics": list(task.metrics_reported),
        "rows": rows,
        "caveats": {part.data.reference: list(part.data.caveats) for part in parts},
        "warnings": _warnings(task, folders[0], parts),
    }


def model_folders(path: Path) -> list[Path]:
    """The model that the user means: the folder itself, or every seed's in a run folder."""
    from xlt.inference.loading import find_model
    from xlt.model.folder import INFO

    first = find_model(path)
    if (path / INFO).is_file():
        return [first]
    return sorted(path.glob(f"seed-*/{first.parent.name}/model"))


def _task_of(folders: Sequence[Path]) -> tuple[Task, Labels]:
    """The task and the labels of all these models."""
    from xlt.model.folder import read_info, task_of

    infos = [read_info(folder) for folder in folders]
    first = infos[0]
    for folder, info in zip(folders, infos, strict=True):
        if (info.task, info.labels) != (first.task, first.labels):
            raise XltError(
                f"the model is for {info.task} with the labels {info.labels}, the first one for "
                f"{first.task} with {first.labels}",
                where=folder,
                fix="compare models of one task and label inventory",
            )
    return task_of(first, folders[0]).for_labels(first.labels), first.labels


# Suites ----------------------------------------------------------------------------------------


def _parts(
    task: Task,
    labels: Labels,
    own: Sequence[str],
    suite: str,
    language: str | None,
    given: Mapping[str, str],
    asked: Mapping[str, Any],
) -> Iterator[Part]:
    from xlt.data import cards
    from xlt.data.references import check_reference, reference_to, resolve
    from xlt.data.store import load_documents
    from xlt.reader_options import on_command_line

    name, *rest = suite.split(":")
    stated: Labels = {}
    answers = dict(given)
    references = [suite]
    if name in data_cards():
        card = cards.get(name)
        stated = {layer: tuple(values) for layer, values in card.labels.items()}
        answers = {**card.answers, **given}
        references = _references(card, rest or ([language] if language else []))
    elif answers:
        (layer,) = labels
        stated = {layer: tuple(dict.fromkeys(answers.get(a, a) for a in labels[layer]))}
    reader = task.for_labels(stated)
    for reference in references:
        parts = reference.split(":")
        in_reference = parts[1] if name in data_cards() else None
        code = spoken_language(in_reference or language, own)
        full = reference_to(reference, **asked)
        check_reference(reader, full, code, "test", on_command_line)
        data = resolve(full, code, "test", where=suite)
        records = list(load_documents(reader, data, 1))
        observed = reader.labels(records)
        _check(labels, stated, observed, answers, reference)
        yield Part(name if name in data_cards() else suite, data, reader, answers, records)


def _references(card: Any, rest: Sequence[str]) -> list[str]:
    """Of all splits of a card that the rest of a reference leaves open."""
    spoken = [card.language(rest[0], where=card.identifier)] if rest else list(card.languages)
    chosen = [
        f"{card.identifier}:{code}:{split}"
        for code in spoken
        for split in (rest[1:] or [s for s in card.languages[code] if s not in SPLITS_NOT_PROBED])
    ]
    if not chosen:
        raise XltError(
            "it has nothing but train and dev",
            where=card.identifier,
            fix=f"name a split, e.g. {card.identifier}:{spoken[0]}:dev",
        )
    return chosen


def _check(
    labels: Labels, stated: Labels, observed: Labels, answers: Mapping[str, str], where: str
) -> None:
    """Raise XltError unless the model's answers, mapped, are what the suite calls its labels."""
    for layer, values in observed.items():
        ours = {answers.get(label, label) for label in labels.get(layer, ())}
        inventory = [*dict.fromkeys([*stated.get(layer, ()), *values])]
        strange = [label for label in values if label not in ours]
        if stated.get(layer):  # else nobody knows what the suite could have had
            strange += sorted(ours - set(inventory))
        if strange:
            # Several answers may mean one label; one that both sides have means itself.
            others = set(inventory) if strange[0] in ours else ours - set(inventory)
            raise XltError(
                f"the suite's labels are {', '.join(inventory)}, the model's answers "
                f"{', '.join(sorted(ours))}: what {strange[0]!r} is to the other is not said",
                where=where,
                fix=f"{choose(strange[0], others)}; say which "
                "answer means which label with `answers:` in the card or `--answer ours=theirs`"
                if others
                else "take a suite with the labels that the model has learnt, or train on data "
                "with those of the suite",
            )


# Scores ----------------------------------------------------------------------------------------


def _outcomes(
    folder: Path, parts: Sequence[Part], batch_tokens: int, *, masked: bool = True
) -> list[dict[str, NDArray[np.float64]]]:
    """For each part the counts of the model, and of the model that some texts are hidden from."""
    from xlt.projection.opening import open_predictor

    task, backbone, predictor = open_predictor(folder, batch_tokens=batch_tokens)
    outcomes = []
    for part in parts:
        versions: dict[str, tuple[str, ...]] = {MODEL: ()}
        if masked:
            versions |= task.controls
        counts = {}
        for version, hidden in versions.items():
            empty = {name: Text("") for name in hidden}
            shown = [record.with_texts(**empty) for record in part.records]
            predicted = predictor(shown, task.encode(shown, backbone, None))
            counts[version] = part.counts(
                [
                    answer.with_texts(**{name: record.texts[name] for name in hidden})
                    for record, answer in zip(part.records, predicted, strict=True)
                ]
            )
        outcomes.append(counts)
    return outcomes


def _rows(part: Part, systems: Mapping[str, System], resamples: int) -> Iterator[dict[str, Any]]:
    for group, chosen in part.groups().items():
        here = {name: _selected(counts, chosen) for name, counts in systems.items()}
        scores = {name: _scores(part.task, counts, resamples) for name, counts in here.items()}
        yield {
            "suite": part.suite,
            "data": part.data.reference,
            "group": group,
            "records": len(chosen),
            "balance": part.balance(chosen),
            "metrics": scores.pop(MODEL),
            "controls": scores,
            "against": _against(part.task, here, resamples),
        }


def _selected(counts: System, chosen: NDArray[np.int64]) -> System:
    if isinstance(counts, np.ndarray):
        return counts[chosen]
    return [one[chosen] for one in counts]


def _scores(task: Task, counts: System, resamples: int) -> dict[str, dict[str, Any]]:
    """Metric → mean over the models, standard deviation, interval."""
    intervals = bootstrap_interval(counts, task.metrics, resamples=resamples)
    runs = [counts] if isinstance(counts, np.ndarray) else counts
    each = [task.metrics(one.sum(axis=0)) for one in runs]
    several = len(runs) > 1
    scores = {}
    for name, interval in intervals.items():
        mean, sd = mean_sd([float(one[name]) for one in each])
        sure = {"mean": mean, "sd": sd if several else None, "seeds": len(runs)}
        over = SEEDS_AND_RECORDS if several else RECORDS
        scores[name] = {**sure, "low": interval.low, "high": interval.high, "over": over}
    return scores


def _against(
    task: Task, systems: Mapping[str, System], resamples: int
) -> tuple[str, Comparison] | None:
    """The control that is hardest to beat, and the model's score less its; None without controls.

    A model that beats this one beats them all, and no p has to be adjusted for their number.
    """
    differences = {
        name: paired_difference(
            systems[MODEL],
            counts,
            task.metrics,
            paired_seeds=name in task.controls,
            resamples=resamples,
        )[task.metrics_reported[0]]
        for name, counts in systems.items()
        if name != MODEL
    }
    if not differences:
        return None

    def one_sided(name: str) -> float:
        p = differences[name].p
        return p if differences[name].difference > 0 else 2 - p

    hardest = max(differences, key=one_sided)
    return hardest, differences[hardest]


def _judge(rows: Sequence[dict[str, Any]]) -> None:
    """Replace what `_against` found by what is shown of it."""
    compared = [row for row in rows if row["against"] is not None]
    judged = judge([row["against"][1] for row in compared])
    for row, one in zip(compared, judged, strict=True):
        row["against"] = {"control": row["against"][0], **one}


def _warnings(task: Task, folder: Path, parts: Sequence[Part]) -> dict[str, list[str]]:
    """Language → what its encoder cannot read."""
    from transformers import AutoTokenizer

    from xlt.runs.coverage import MAX_COUNTED_RECORDS, count_words, warnings

    tokenizer = AutoTokenizer.from_pretrained(
        folder, local_files_only=True, trust_remote_code=is_granted(REMOTE_CODE)
    )
    messages = {}
    for part in parts:
        words = count_words(task, part.records[:MAX_COUNTED_RECORDS])
        if told := warnings(part.data.language, words, tokenizer):
            messages[part.data.reference] = told
    return messages
