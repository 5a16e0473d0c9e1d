"""Dependency parsing: biaffine scores over words, one-root maximum spanning trees."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TextIO

import numpy as np
from pydantic import Field, NonNegativeInt, PositiveInt

from xlt.errors import XltError
from xlt.task import Example, Labels, Record, Task, TaskOptions

from .metrics import COUNT_NAMES, METRICS, punctuation, tree_counts, tree_metrics, universal

if TYPE_CHECKING:
    import torch
    from datasets import Features
    from numpy.typing import NDArray
    from spacy.tokens import Doc, Token

    from xlt.config.schema import ProjectionSettings
    from xlt.model.backbone import Backbone
    from xlt.model.task_model import TaskModel
    from xlt.projection.pair import AlignedPair, Projection

UPOS = (
    *("ADJ", "ADP", "ADV", "AUX", "CCONJ", "DET", "INTJ", "NOUN", "NUM", "PART", "PRON"),
    *("PROPN", "PUNCT", "SCONJ", "SYM", "VERB", "X"),
)
RELATIONS = (
    *("acl", "advcl", "advmod", "amod", "appos", "aux", "case", "cc", "ccomp", "clf"),
    *("compound", "conj", "cop", "csubj", "dep", "det", "discourse", "dislocated", "expl"),
    *("fixed", "flat", "goeswith", "iobj", "list", "mark", "nmod", "nsubj", "nummod", "obj"),
    *("obl", "orphan", "parataxis", "punct", "reparandum", "root", "vocative", "xcomp"),
)
"""The universal relations of UD v2; the model knows all of them, whatever the training data."""


class DependencyParsing(Task):
    """Records: {id, words, upos, heads, relations, lines}.

    heads: word numbers from 1, 0 for the root, -1 where unknown. lines: the sentence as it was
    read, so that comments, multiword tokens and empty nodes come out as they went in.
    """

    name = "dependency_parsing"
    metrics_reported = METRICS
    formats: ClassVar[Mapping[str, tuple[str, ...]]] = {"conllu": (".conllu",)}
    count_names = COUNT_NAMES
    measured_as = ("dep",)
    partial = True

    class Options(TaskOptions):
        upos: Literal["none", "gold"] = Field(
            "none", description="`gold`: the UPOS column is an input, in training and prediction"
        )
        subtypes: bool = Field(False, description="learn and score `nsubj:pass` apart from `nsubj`")
        characters: NonNegativeInt = Field(
            0, description="size of a vector from the word's characters; for small encoders"
        )
        layers: NonNegativeInt = Field(
            0, description="bidirectional LSTM layers over the words; for small encoders"
        )
        layer_size: PositiveInt = Field(192, description="of each direction")
        arc_size: PositiveInt = 400
        relation_size: PositiveInt = 128
        upos_size: PositiveInt = 64
        dropout: float = Field(0.33, ge=0, lt=1)
        upos_dropout: float = Field(0.1, ge=0, lt=1, description="share of tags hidden in training")
        piece_dropout: float = Field(0.0, ge=0, lt=1, description="share of pieces left out")

    options: Options

    # Data ----------------------------------------------------------------------------------

    def features(self) -> Features:
        from datasets import Features, List, Value

        text = Value("string")
        return Features(
            {
                "id": text,
                "words": List(text),
                "upos": List(text),
                "heads": List(Value("int32")),
                "relations": List(text),
                "lines": List(text),
            }
        )

    def read(
        self, path: Path, format: str, *, labelled: bool = True, **options: Any
    ) -> Iterator[Record]:
        from xlt.data.conllu import read_conllu

        for number, sentence in enumerate(read_conllu(path, strict_trees=labelled), 1):
            yield self._record(sentence, str(number))

    def _record(self, sentence: Any, default_id: str) -> Record:
        from xlt.data.conllu import UPOS as UPOS_COLUMN

        return {
            "id": sentence.comment("sent_id") or default_id,
            "words": sentence.forms,
            "upos": [row[UPOS_COLUMN] for row in sentence.words],
            "heads": sentence.heads,
            "relations": sentence.deprels,
            "lines": [*sentence.comments, *("\t".join(row) for row in sentence.rows)],
        }

    def write(self, records: Iterable[Record], stream: TextIO, format: str) -> None:
        from xlt.data.conllu import DEPREL, HEAD, Sentence, write_conllu

        def sentences() -> Iterator[Sentence]:
            for record in records:
                comments = [line for line in record["lines"] if line.startswith("#")]
                rows = [line.split("\t") for line in record["lines"][len(comments) :]]
                words = [row for row in rows if row[0].isdigit()]
                for row, head, relation in zip(
                    words, record["heads"], record["relations"], strict=True
                ):
                    row[HEAD] = "_" if head < 0 else str(head)
                    row[DEPREL] = relation
                yield Sentence(rows, words, comments)

        write_conllu(sentences(), stream)

    def from_words(self, id: str, words: list[str], space_after: list[bool]) -> Record:
        if self.options.upos == "gold":
            raise XltError(
                "this parser reads UPOS tags, which plain text does not have",
                where="task.upos",
                fix="give it CoNLL-U with the UPOS column, or train with `task.upos: none`",
            )
        from xlt.data.comments import comment_line
        from xlt.data.conllu import Sentence

        sentence = Sentence.from_words(words, space_after=space_after)
        sentence.comments = [
            comment_line(key, value, where=f"record {id!r}")
            for key, value in (("sent_id", id), ("text", sentence.text()))
        ]
        return self._record(sentence, id)

    def words(self, record: Record) -> list[str]:
        return list(record["words"])

    def annotate(self, doc: Doc, sentences: Sequence[tuple[Record, Sequence[Token]]]) -> None:
        """Sets heads, relations and with them the sentences; white space hangs on a neighbour."""
        words = np.array([token.i for _, tokens in sentences for token in tokens], np.int64)
        if not len(words):
            return
        before = np.searchsorted(words, np.arange(len(doc))) - 1
        heads = words[np.maximum(before, 0)]
        relations = ["dep"] * len(doc)
        for record, tokens in sentences:
            for token, head, relation in zip(
                tokens, record["heads"], record["relations"], strict=True
            ):
                heads[token.i] = tokens[head - 1].i if head > 0 else token.i
                relations[token.i] = "ROOT" if head == 0 else relation
        offsets = (heads - np.arange(len(doc))).astype(np.int64).view(np.uint64)
        names = np.array([doc.vocab.strings.add(name) for name in relations], np.uint64)
        doc.from_array(["HEAD", "DEP"], np.stack([offsets, names], 1))

    # Projection ----------------------------------------------------------------------------

    def project(
        self, record: Record, pairs: Mapping[str, AlignedPair], settings: ProjectionSettings
    ) -> Projection:
        """A partial tree; a word's UPOS is that of the word it stands for."""
        from xlt.data.conllu import PARTIAL, Sentence
        from xlt.projection.pair import Projection
        from xlt.projection.trees import project_tree

        pair = pairs["text"]
        tree, outcomes = project_tree(record["heads"], record["relations"], pair, settings)
        if max(tree.heads, default=-1) < 0:
            return Projection(None, tuple(outcomes))
        sentence = Sentence.from_words(
            pair.target,
            tree.heads,
            [relation or "_" for relation in tree.relations],
            upos=[record["upos"][i] if i >= 0 else "_" for i in tree.origins],
            space_after=pair.spaces,
        )
        partial = [PARTIAL] if min(tree.heads) < 0 else []
        comments = [f"# sent_id = {record['id']}", f"# text = {sentence.text()}"]
        sentence.comments = [*comments, *partial]
        return Projection(self._record(sentence, record["id"]), tuple(outcomes))

    def complete(self, own: Record, carried: Record) -> Record:
        """The tree with all carried edges that make one, and as many of the others' as fit."""
        from xlt.model.mst import decode_trees

        size = len(own["heads"])
        scores = np.full((1, size + 1, size + 1), -100.0, np.float32)
        for record, score in ((own, -1.0), (carried, 0.0)):
            for word, head in enumerate(record["heads"], 1):
                if head >= 0:
                    scores[0, word, head] = score
        heads = decode_trees(scores, np.array([size]))[0, :size].tolist()
        relations = []
        for word, head in enumerate(heads):
            found = [r["relations"][word] for r in (carried, own) if r["heads"][word] == head]
            relations.append("root" if head == 0 else found[0] if found else "dep")
        return {**own, "heads": heads, "relations": relations}

    def carry(
        self,
        outputs: Mapping[str, torch.Tensor],
        row: int,
        pairs: Mapping[str, AlignedPair],
        projection: Projection,
        labels: Labels,
    ) -> dict[str, NDArray[np.float32]]:
        """Heads only; relations are chosen by the other model, once the tree is known."""
        from xlt.projection.words import log_probabilities

        shares = pairs["text"].shares(extra=1)
        arcs = np.exp(outputs["arcs"][row].numpy().astype(np.float64))
        mass = shares @ arcs[: shares.shape[1], : shares.shape[1]] @ shares.T
        np.fill_diagonal(mass, 0)
        return {"arcs": log_probabilities(mass)}

    # Labels --------------------------------------------------------------------------------

    def labels(self, records: Iterable[Record]) -> Labels:
        if not self.options.subtypes:
            return {"relation": RELATIONS}
        seen = {
            relation
            for record in records
            for head, relation in zip(record["heads"], record["relations"], strict=True)
            if head >= 0
        }
        return {"relation": (*RELATIONS, *sorted(seen - set(RELATIONS)))}

    def check_labels(self, labels: Labels, data: Labels, *, where: object) -> None:
        """A subtype that the source lacks is a wrong answer, not a mistake of the user's."""
        known = set(RELATIONS)
        for relation in data["relation"]:
            if universal(relation) not in known:
                super().check_labels(
                    {"relation": RELATIONS}, {"relation": (relation,)}, where=where
                )

    def _relation(self, relation: str) -> str:
        return relation if self.options.subtypes else universal(relation)

    # Model ---------------------------------------------------------------------------------

    def build(self, backbone: Backbone, labels: Labels) -> TaskModel:
        from .model import Parser

        return Parser(backbone.encoder(), labels, self.options)

    def load(self, folder: Path, backbone: Backbone, labels: Labels) -> TaskModel:
        model = self.build(backbone, labels)
        model.load_head(folder)
        return model

    def encode(
        self, records: Sequence[Record], backbone: Backbone, labels: Labels | None
    ) -> list[Example]:
        encoded = backbone.words([record["words"] for record in records])
        ids = {relation: i for i, relation in enumerate(labels["relation"])} if labels else {}
        tags = {tag: i + 1 for i, tag in enumerate(UPOS)}
        examples = []
        for index, (record, words) in enumerate(zip(records, encoded, strict=True)):
            inputs: dict[str, Any] = {"words": words, "pad": backbone.pad_id}
            if self.options.upos == "gold":
                inputs["upos"] = np.array([tags.get(tag, 0) for tag in record["upos"]], np.int64)
            if self.options.characters:
                inputs["characters"] = record["words"]
            if labels:
                inputs["heads"] = np.array(record["heads"], np.int64)
                pairs = zip(record["heads"], record["relations"], strict=True)
                inputs["relations"] = np.array(
                    [ids[self._relation(r)] if head >= 0 else 0 for head, r in pairs], np.int64
                )
            examples.append(Example(index, words.length, inputs))
        return examples

    def collate(self, examples: Sequence[Example]) -> dict[str, torch.Tensor]:
        import torch

        from xlt.data.encode import collate_words
        from xlt.model.task_model import IGNORED

        batch = collate_words([e.inputs["words"] for e in examples], examples[0].inputs["pad"])
        columns = {"upos": ("upos", 0), "heads": ("labels", IGNORED), "relations": ("relations", 0)}
        for source, (name, padding) in columns.items():
            if source not in examples[0].inputs:
                continue
            padded = np.full(batch["word_mask"].shape, padding, np.int64)
            for row, example in enumerate(examples):
                padded[row, : len(example.inputs[source])] = example.inputs[source]
            batch[name] = torch.from_numpy(padded)
        if "characters" in examples[0].inputs:
            from .layers import LENGTH, character_ids

            ids = np.zeros((*batch["word_mask"].shape, LENGTH), np.int64)
            for row, example in enumerate(examples):
                words = example.inputs["characters"]
                ids[row, : len(words)] = character_ids(words)
            batch["characters"] = torch.from_numpy(ids)
        if "labels" in batch:  # a partial tree: words without a head are not learnt from
            batch["labels"][batch["labels"] < 0] = IGNORED
        return batch

    def decode(
        self,
        records: Sequence[Record],
        examples: Sequence[Example],
        outputs: Mapping[str, torch.Tensor],
        labels: Labels,
    ) -> list[Record]:
        from xlt.model.mst import decode_trees

        from .model import relations_of

        lengths = np.array([e.inputs["words"].n_words for e in examples])
        trees = decode_trees(outputs["arcs"].numpy(), lengths)
        names = labels["relation"]
        chosen = relations_of(trees, outputs, names.index("root"))
        decoded = []
        for record, heads, relations, length in zip(records, trees, chosen, lengths, strict=True):
            if length != len(record["words"]):
                raise AssertionError(f"{len(record['words'])} words in, {length} heads out")
            decoded.append(
                {
                    **record,
                    "heads": heads[:length].tolist(),
                    "relations": [names[i] for i in relations[:length]],
                }
            )
        return decoded

    def combine(self, outputs: Sequence[Mapping[str, torch.Tensor]]) -> Mapping[str, torch.Tensor]:
        """Arcs are averaged; relations are scored by every model once the tree is known."""
        import torch

        combined = {k: torch.stack([one[k] for one in outputs]) for k in outputs[0]}
        return {**combined, "arcs": combined["arcs"].mean(0)}

    # Evaluation ----------------------------------------------------------------------------

    def counts(self, gold: Record, predicted: Record) -> NDArray[np.float64]:
        return tree_counts(
            gold["heads"],
            gold["relations"],
            predicted["heads"],
            predicted["relations"],
            punctuation(gold["words"], gold["upos"]),
            subtypes=self.options.subtypes,
        )

    def metrics(self, counts: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
        return tree_metrics(counts)
