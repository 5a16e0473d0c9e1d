"""The contract of a task, clause by clause: what all of xlt relies on, and nothing else.

A clause is a function that raises AssertionError where the task breaks it; its docstring is the
promise. They are checked in the order of `CLAUSES`, cheap ones first.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Mapping

from xlt.task import Task, TaskOptions
from xlt.testing.model_clauses import MODEL_CLAUSES
from xlt.testing.subject import Subject, plain, same, written

# What a task says about itself ----------------------------------------------------------------


def attributes(s: Subject) -> None:
    """The attributes of the protocol are there, and every abstract method is implemented."""
    assert issubclass(s.kind, Task), "the class is no subclass of xlt.task.Task"
    missing = sorted(s.kind.__abstractmethods__)
    assert not missing, f"these methods are missing: {', '.join(missing)}"
    for name in ("name", "metrics_reported", "formats", "count_names"):
        assert getattr(s.kind, name, None), f"the attribute `{name}` is missing or empty"
    assert isinstance(s.kind.name, str), "`name` is no string"
    for name in ("metrics_reported", "count_names"):
        values = getattr(s.kind, name)
        assert isinstance(values, tuple), f"`{name}` is no tuple"
        assert len(set(values)) == len(values), f"`{name}` has a name twice"
    for format, suffixes in s.kind.formats.items():
        assert isinstance(suffixes, tuple), f"the suffixes of {format!r} are no tuple"
        assert suffixes, f"the format {format!r} has no suffix"
        assert all(x.startswith(".") for x in suffixes), f"a suffix of {format!r} lacks its dot"
    assert issubclass(s.kind.Options, TaskOptions), "`Options` is no xlt.task.TaskOptions"
    assert len(s.records) >= 4, "the contract needs at least four records"


def imports(s: Subject) -> None:
    """Importing the task imports neither torch nor transformers, which take seconds."""
    if s.kind.__module__ == "__main__":
        return
    code = (
        "import importlib, sys; importlib.import_module(sys.argv[1]);"
        "print(*[m for m in ('torch', 'transformers') if m in sys.modules])"
    )
    completed = subprocess.run(
        [sys.executable, "-c", code, s.kind.__module__],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert completed.returncode == 0, f"{s.kind.__module__} cannot be imported: {completed.stderr}"
    heavy = completed.stdout.split()
    assert not heavy, f"importing {s.kind.__module__} imports {' and '.join(heavy)}"


# Data -----------------------------------------------------------------------------------------


def schema(s: Subject) -> None:
    """A document has exactly the texts and layers that the task names, and Arrow gives it back
    unchanged; so does a row, which has the columns that the task names."""
    from datasets import Dataset

    from xlt.document import Documents

    schema = s.task.schema
    for document in s.records:
        assert tuple(document.texts) == schema.texts, (
            f"a document has the texts {[*document.texts]}"
        )
        for name, kind in schema.layers.items():
            assert name in document.layers, f"document {document.id} has no layer {name!r}"
            layer = document.layers[name]
            assert type(layer) is kind, f"the layer {name!r} is {type(layer).__name__}"
        assert isinstance(document.id, str), f"the id {document.id!r} is no string"
        row = s.task.to_row(document)
        unknown = set(row) - set(s.task.columns)
        assert not unknown, f"a row has columns that `columns` does not name: {sorted(unknown)}"
        required = set(s.task.columns) - set(s.task.optional_columns)
        assert required <= set(row), f"a row lacks {sorted(required - set(row))}"
        same([document], [s.task.validate_row(row, where="a row")], "a row changed")
    rows = Dataset.from_list(
        [schema.to_row(document) for document in s.records], features=schema.features()
    )
    same(s.records, list(Documents(rows, schema)), "Arrow changed")


def formats(s: Subject) -> None:
    """What `write` writes in any of its formats, `read` gives back, under every suffix."""
    folder = s.folder / "formats"
    folder.mkdir(exist_ok=True)
    for format, suffixes in s.kind.formats.items():
        text = written(s.task, s.records, format)
        assert text == written(s.task, s.records, format), f"{format} is written differently twice"
        for suffix in suffixes:
            path = folder / f"data{suffix}"
            path.write_text(text, encoding="utf-8", newline="\n")
            guessed = s.task.format_of(path)
            assert guessed == format, f"the suffix {suffix} means {guessed!r}, not {format!r}"
        same(s.records, list(s.task.read(path, format)), f"{format} changed")


def words(s: Subject) -> None:
    """`from_text` makes a document of the same layers without annotation, of just this text; it is
    read back from every format with ``labelled=False``."""
    for document in s.records:
        assert s.task.words(document), f"document {document.id} has no words"
        bare = plain(s.task, document)
        if bare is None:
            return
        assert bare.layers.keys() == s.task.layers.keys(), "from_text gives other layers"
        assert bare.id == document.id, "from_text gives another id"
        assert s.task.words(bare) == s.task.words(document), "from_text gives other words"
    for format, suffixes in s.kind.formats.items():
        path = s.folder / f"plain{suffixes[0]}"
        text = written(s.task, [plain(s.task, r) or r for r in s.records], format)
        path.write_text(text, encoding="utf-8", newline="\n")
        read = [s.task.words(r) for r in s.task.read(path, format, labelled=False)]
        assert read == [s.task.words(r) for r in s.records], f"{format} changed the words"


def labels(s: Subject) -> None:
    """The label inventory is the same for any order of the records, without repetition, and data
    with these labels pass `check_labels`."""
    for layer, values in s.labels.items():
        assert isinstance(values, tuple), f"the labels of {layer!r} are no tuple"
        assert len(set(values)) == len(values), f"{layer!r} has a label twice"
    backwards = s.task.labels(reversed(s.records))
    assert backwards == s.labels, f"{s.labels} became {backwards} when the records were reversed"
    s.task.check_labels(s.labels, s.labels, where="contract")


# Evaluation -----------------------------------------------------------------------------------


def metrics(s: Subject) -> None:
    """Metrics have the names that are promised, are 100 for perfect and 0 to 100 for any
    predictions, are finite for no data, and take counts of any leading shape."""
    import numpy as np

    width = len(s.task.count_names)
    gold = np.stack([s.task.counts(record, record) for record in s.records])
    assert gold.shape == (len(s.records), width), f"counts of a record have shape {gold.shape[1:]}"
    assert gold.dtype == np.float64, f"counts are {gold.dtype}, not float64"
    perfect = s.task.metrics(gold.sum(axis=0))
    assert tuple(perfect) == s.task.metrics_reported, f"metrics are {tuple(perfect)}"
    for name, value in perfect.items():
        if name not in s.kind.metrics_below_100:
            assert np.isclose(value, 100), (
                f"{name} of perfect predictions is {float(value)}, not 100"
            )
    pairs = zip(s.records, s.predict(s.untrained), strict=True)
    predicted = np.stack([s.task.counts(a, b) for a, b in pairs])
    table = np.stack([gold, predicted, np.zeros_like(gold)])
    with np.errstate(all="raise"):
        at_once = s.task.metrics(table)
    for name, values in at_once.items():
        assert values.shape == table.shape[:-1], f"{name} is not vectorised over leading axes"
        assert np.isfinite(values).all(), f"{name} is not finite where there is nothing to count"
        assert ((values >= 0) & (values <= 100 + 1e-9)).all(), f"{name} is outside of 0 to 100"
        one = s.task.metrics(table[1, -1])[name]
        assert np.isclose(values[1, -1], one), f"{name} of one row differs from that of a table"


def annotation(s: Subject) -> None:
    """Predictions can be put on a spaCy document, if there is a view of the task's layers."""
    from xlt.display import spacy_doc, viewable

    if viewable(s.task):
        for document in s.records:
            spacy_doc(document, s.task)


def projection(s: Subject) -> None:
    """Annotation is projected along identical words unchanged, and along none not at all; the
    projected document has the layers and the id of its source, all words of the translation, and
    an outcome for every label; the document it is given stays as it was."""
    from xlt.config.schema import ProjectionSettings
    from xlt.data.segment import with_words
    from xlt.document import Text
    from xlt.projection.layers import project_document, unprojectable
    from xlt.projection.pair import AlignedPair

    if unprojectable(s.task):
        return
    settings = ProjectionSettings()
    before = [s.task.schema.to_row(document) for document in s.records]
    for document in s.records:
        texts = {
            name: text if text.words else with_words(text.surface)
            for name, text in document.texts.items()
            if text.surface
        }
        same_text = {
            name: AlignedPair(text, text, {(i, i): 1.0 for i in range(len(text.words))})
            for name, text in texts.items()
        }
        projected = project_document(s.task, document, same_text, settings)
        assert projected.document is not None, f"document {document.id} is lost on identical texts"
        layers = projected.document.layers.keys()
        assert layers == document.layers.keys(), f"it has the layers {sorted(layers)}"
        assert projected.document.id == document.id, "it has another id"
        assert s.task.words(projected.document) == s.task.words(document), "it has other words"
        kept = s.task.counts(document, projected.document) == s.task.counts(document, document)
        assert kept.all(), f"the annotation of {document.id} changed on identical texts"
        lost = [o.reason for o in projected.outcomes if o.reason]
        assert not lost, f"labels of {document.id} are lost on identical texts: {lost}"
        nothing = {name: AlignedPair(text, Text(""), {}) for name, text in texts.items()}
        empty = project_document(s.task, document, nothing, settings)
        assert empty.document is None, f"document {document.id} is something on empty texts"
        assert len(empty.outcomes) == len(projected.outcomes), "an empty text loses labels unseen"
        still = [o for o in empty.outcomes if o.reason is None]
        assert not still, f"labels of {document.id} are kept on empty texts"
    after = [s.task.schema.to_row(document) for document in s.records]
    assert before == after, "projecting changed a document"


def strategies(s: Subject) -> None:
    """Every registered strategy trains the task from a config file, and the run has scores,
    predictions and a model that gives these predictions."""
    from xlt.testing.runs import check_strategies

    check_strategies(s.task, s.records, s.options, s.encoder, s.folder / "runs")


CLAUSES: Mapping[str, Callable[[Subject], None]] = {
    clause.__name__: clause
    for clause in (
        *(attributes, imports, schema, formats, words, labels),
        *MODEL_CLAUSES,
        *(metrics, annotation, projection, strategies),
    )
}
"""Name → clause, in the order in which they are checked."""
