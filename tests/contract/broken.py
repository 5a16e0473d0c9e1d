"""A task with one thing wrong, for every clause of the contract."""

from __future__ import annotations

import math
import types
from dataclasses import replace
from typing import ClassVar

from broken_import import ImportsTorch

from xlt.document import FlatSpans, Label, Text
from xlt.projection.layers import project_layers
from xlt.projection.pair import Projection
from xlt.task import Example
from xlt.tasks.ner import NER


class Broken(NER):
    name = "broken"


class NoMetric(Broken):
    metrics_reported = ()


class WrongSchema(Broken):
    layers: ClassVar = {"entities": FlatSpans, "sentiment": Label}


class UppercasingWriter(Broken):
    def write(self, documents, stream, format):
        upper = [
            d.with_texts(text=replace(d.text, words=tuple(w.upper() for w in d.words)))
            for d in documents
        ]
        super().write(upper, stream, format)


class ForgetfulOfWords(Broken):
    def from_text(self, id, text, language=""):
        return super().from_text(id, Text.from_words(text.words[:5]), language)


class LabelsAsTheyCome(Broken):
    def labels(self, documents):
        return {"tag": tuple(dict.fromkeys(t for d in documents for t in self.tags(d)))}


class WrongLength(Broken):
    def encode(self, records, backbone, labels):
        return [Example(e.index, 1, e.inputs) for e in super().encode(records, backbone, labels)]


class Rewritten(Broken):
    """Its model's forward is changed by `change(output, labels, number of items)`."""

    @staticmethod
    def change(output, labels, items):
        raise NotImplementedError

    def build(self, backbone, labels):
        model = super().build(backbone, labels)
        forward = model.forward

        def changed(*args, labels=None, num_items_in_batch=None, **kwargs):
            output = forward(*args, labels=labels, num_items_in_batch=num_items_in_batch, **kwargs)
            return self.change(output, labels, num_items_in_batch)

        model.forward = changed
        return model


class LearnsNothing(Rewritten):
    @staticmethod
    def change(output, labels, items):
        return {k: v * 0 + math.log(3) if k == "loss" else v for k, v in output.items()}


class MeanLoss(Rewritten):
    @staticmethod
    def change(output, labels, items):
        if labels is None or items is None:
            return output
        return {"loss": output["loss"] * items / (labels != -100).sum()}


class IgnoresWeights(Broken):
    def build(self, backbone, labels):
        model = super().build(backbone, labels)
        forward = model.forward
        model.forward = lambda *args, weights=None, **kwargs: forward(*args, **kwargs)
        return model


class LearnsFromPadding(Rewritten):
    @staticmethod
    def change(output, labels, items):
        return {k: v + 1.0 if k == "loss" else v for k, v in output.items()}


class Unordered(Broken):
    def decode(self, records, examples, outputs, labels):
        decoded = super().decode(records, examples, outputs, labels)
        return decoded[::-1] if len(decoded) > 1 else decoded


class DecodesTensorsAlone(Broken):
    def decode(self, documents, examples, outputs, labels):
        outputs["scores"].log_softmax(-1)
        return super().decode(documents, examples, outputs, labels)


class Truncating(Broken):
    def encode(self, records, backbone, labels):
        encoded = super().encode(records, backbone, labels)
        for example in encoded:
            words = example.inputs["words"]
            first = type(words)(words.windows[:1], words.word_of[:1], words.n_words, words.limit)
            example.inputs["words"] = first
        return encoded


class CopiesGold(Broken):
    def decode(self, records, examples, outputs, labels):
        return list(records)


class LoadsAnew(Broken):
    def load(self, folder, backbone, labels):
        model = self.build(backbone, labels)
        model.encoder.classifier.reset_parameters()
        return model


class ForgetsOnGrowth(Broken):
    def build(self, backbone, labels):
        model = super().build(backbone, labels)
        grow = model.grow

        def forgetful(self, new):
            grow(new)
            self.encoder.classifier.reset_parameters()

        model.grow = types.MethodType(forgetful, model)
        return model


class SharesNotPercent(Broken):
    def metrics(self, counts):
        return {name: value / 100 for name, value in super().metrics(counts).items()}


class AnnotatesBeyondTheEnd(Broken):
    def annotate(self, doc, sentences):
        doc[len(doc)].ent_type_ = "X"


class KeepsAnEmptyTranslation(Broken):
    def project(self, document, pairs, settings):
        projected = project_layers(self, document, pairs, settings)
        return Projection(document, projected.outcomes)


class WritesTwice(Broken):
    """Sound alone, but a run's predictions hold every record twice."""

    def write(self, records, stream, format):
        rows = list(records)
        super().write([*rows, *rows], stream, format)


TASKS = {
    "attributes": (NoMetric, "`metrics_reported` is missing or empty"),
    "imports": (ImportsTorch, "imports torch"),
    "schema": (WrongSchema, "document s1 has no layer 'sentiment'"),
    "formats": (UppercasingWriter, "bio changed `text` of s1"),
    "words": (ForgetfulOfWords, "from_text gives other words"),
    "labels": (LabelsAsTheyCome, "when the records were reversed"),
    "encoding": (WrongLength, "length 1, but"),
    "learning": (LearnsNothing, "the loss went from 1.099 to 1.099 in 20 steps"),
    "loss": (MeanLoss, "parts: "),
    "weighting": (IgnoresWeights, "the weighted sum: "),
    "ignored": (LearnsFromPadding, "the loss of ignored targets is 1.0"),
    "prediction": (Unordered, "came out where"),
    "portability": (DecodesTensorsAlone, "AttributeError"),
    "windows": (Truncating, "lost .* subwords of input_ids"),
    "independence": (CopiesGold, "is predicted differently when its gold is removed"),
    "saving": (LoadsAnew, "saving and loading changed encoder.classifier"),
    "growth": (ForgetsOnGrowth, "growing by nothing changed encoder.classifier"),
    "metrics": (SharesNotPercent, "f1 of perfect predictions is 1.0, not 100"),
    "annotation": (AnnotatesBeyondTheEnd, "IndexError"),
    "projection": (KeepsAnEmptyTranslation, "document s1 is something on empty texts"),
    "strategies": (WritesTwice, "strategy '[a-z_]+': "),
}
"""Clause → a task that breaks it, and a part of the complaint (a regular expression)."""
