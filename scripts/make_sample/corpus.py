"""Realises every scene in every language and writes the files."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from . import layers
from .checks import signature
from .generate import scenes
from .grammars.base import Grammar
from .grammars.eng import English
from .grammars.eus import Basque
from .grammars.fin import Finnish
from .grammars.malayic import Indonesian, Javanese
from .grammars.spa import Spanish
from .grammars.tur import Turkish
from .grammars.zho import Chinese
from .pairs import Pair, Question, answer_span, inference, questions
from .scenes import Clause
from .tree import Sentence

CHECKSUMS = "SHA256SUMS"
SIZES = {"train": 2000, "dev": 200, "test": 200}
SEEDS = {"train": 20260101, "dev": 20260102, "test": 20260103}
#: Training scenes whose alignments are written; dev and test have all.
ALIGNED_TRAIN = 500
MAX_WORDS = 20
GRAMMARS: dict[str, Grammar] = {
    g.lang: g
    for g in (
        English(),
        Spanish(),
        Basque(),
        Indonesian(),
        Javanese(),
        Turkish(),
        Chinese(),
        Finnish(),
    )
}


def write_gz(path: Path, text: str) -> int:
    """Gzip without time or name, so that equal text is equal bytes. Returns the size."""
    buffer = io.BytesIO()
    with gzip.GzipFile(filename="", mode="wb", compresslevel=9, fileobj=buffer, mtime=0) as f:
        f.write(text.encode())
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(buffer.getvalue())
    return len(buffer.getvalue())


def jsonl(rows: list[dict[str, Any]]) -> str:
    return "".join(json.dumps(r, ensure_ascii=False, separators=(",", ":")) + "\n" for r in rows)


def draw(splits: Sequence[str] = ("test", "dev", "train")) -> dict[str, list[Clause]]:
    """All scenes, or those of the first splits: none is drawn again for a later split.

    Test and dev come first, so that they never run out of short scenes.
    """
    seen: set[str] = set()
    return {s: scenes(s, SIZES[s], SEEDS[s], seen, short) for s in splits}


def short(c: Clause) -> bool:
    """Whether the wordiest languages say it in at most MAX_WORDS words."""
    return all(
        sum(t.upos != "PUNCT" for t in GRAMMARS[lang].realise(c, "draft").toks) <= MAX_WORDS
        for lang in ("eng", "spa", "zho")
    )


def realise(split: str, drawn: list[Clause], lang: str) -> list[Sentence]:
    return [GRAMMARS[lang].realise(c, f"{split}-{i:04d}") for i, c in enumerate(drawn, 1)]


def nli_rows(pairs: list[list[Pair]], split: str, lang: str) -> list[dict[str, Any]]:
    rows = []
    for i, some in enumerate(pairs, 1):
        for j, pair in enumerate(some, 1):
            name = f"{split}-{i:04d}-{j}"
            grammar = GRAMMARS[lang]
            rows.append(
                {
                    "id": name,
                    "lang": lang,
                    "premise": grammar.realise(pair.premise, name).text,
                    "hypothesis": grammar.realise(pair.hypothesis, name).text,
                    "label": pair.label,
                    "phenomenon": pair.phenomenon,
                }
            )
    return rows


def qa_rows(asked: list[Question], sentences: list[Sentence], lang: str) -> list[dict[str, Any]]:
    rows = []
    grammar = GRAMMARS[lang]
    gap = " " if grammar.spaced else ""
    for q in asked:
        texts = [sentences[j].text for j in q.context]
        at = q.context.index(q.source)
        before = sum(len(t) + len(gap) for t in texts[:at])
        source = sentences[q.source]
        start, end = answer_span(source, q.node)
        answer = source.text[start:end]
        rows.append(
            {
                "id": f"{source.sent_id}-{q.kind}",
                "lang": lang,
                "context": gap.join(texts),
                "question": grammar.realise(q.question, source.sent_id).text,
                "answers": {"text": [answer], "answer_start": [before + start]},
                "question_type": q.kind,
            }
        )
    return rows


def overlap(train: list[Sentence], other: list[Sentence]) -> dict[str, float]:
    """How much of `other` was never seen in train, over lemmas of content words, in percent."""
    known = {(t.lemma, t.upos) for s in train for t in s.toks}
    content = [
        (t.lemma, t.upos)
        for s in other
        for t in s.toks
        if t.upos in ("NOUN", "PROPN", "VERB", "ADJ")
    ]
    new = [x for x in content if x not in known]
    touched = sum(
        any(
            (t.lemma, t.upos) not in known
            for t in s.toks
            if t.upos in ("NOUN", "PROPN", "VERB", "ADJ")
        )
        for s in other
    )
    return {
        "unseen_content_words": round(100 * len(new) / len(content), 1),
        "unseen_content_types": round(100 * len(set(new)) / len(set(content)), 1),
        "sentences_with_unseen": round(100 * touched / len(other), 1),
    }


def annotation(split: str, drawn: list[Clause], sentences: list[Sentence]) -> dict[str, str]:
    """Suffix of the file → its text, for all annotation that needs no other split."""
    lang = sentences[0].lang
    entities = (
        "".join(f"{t.form}\t{tag}\n" for t, tag in zip(s.toks, layers.iob(s), strict=True)) + "\n"
        for s in sentences
    )
    events = [layers.events(s, c) for s, c in zip(sentences, drawn, strict=True)]
    asked = questions(drawn, SEEDS[split] + 20)
    return {
        "conllu": "".join(layers.conllu(s) + "\n\n" for s in sentences),
        "ner": "".join(entities),
        "events.jsonl": jsonl(events),
        "qa.jsonl": jsonl(qa_rows(asked, sentences, lang)),
    }


def links(split: str, english: list[Sentence], others: list[Sentence]) -> str:
    """Alignments in Pharaoh's format; of train, those of the first sentences."""
    lines = [
        " ".join(f"{i}-{j}" for i, j in layers.alignment(a, b)) + "\n"
        for a, b in zip(english, others, strict=True)
    ]
    return "".join(lines[:ALIGNED_TRAIN] if split == "train" else lines)


def checksums(folder: Path) -> str:
    """SHA-256 of every file below `folder`, as `sha256sum --check` reads it."""
    files = sorted(p for p in folder.rglob("*") if p.is_file() and p.name != CHECKSUMS)
    return "".join(
        f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.relative_to(folder).as_posix()}\n"
        for path in files
    )


def write(folder: Path) -> dict[str, Any]:
    """Everything into `folder`, with its checksums; returns (and writes) the figures."""
    size = 0
    drawn_by_split = draw()
    sentences = {
        lang: {split: realise(split, drawn, lang) for split, drawn in drawn_by_split.items()}
        for lang in GRAMMARS
    }
    figures: dict[str, Any] = {"languages": {lang: {} for lang in GRAMMARS}}
    for split, drawn in drawn_by_split.items():
        elsewhere = {
            signature(c) for other, cs in drawn_by_split.items() if other != split for c in cs
        }
        pairs = inference(drawn, split, SEEDS[split] + 10, elsewhere)
        for lang in GRAMMARS:
            done = sentences[lang][split]
            made = annotation(split, drawn, done)
            made["nli.jsonl"] = jsonl(nli_rows(pairs, split, lang))
            for suffix, text in made.items():
                size += write_gz(folder / lang / f"{split}.{suffix}.gz", text)
            if lang != "eng":
                path = folder / "alignments" / f"{split}.eng-{lang}.pharaoh.gz"
                size += write_gz(path, links(split, sentences["eng"][split], done))
            events = [json.loads(line) for line in made["events.jsonl"].splitlines()]
            row: dict[str, float] = {
                "sentences": len(done),
                "words": sum(len(s.toks) for s in done),
                "multiword_tokens": sum(len(s.mwts) for s in done),
                "entities": sum(len(e["entities"]) for e in events),
                "events": sum(len(e["events"]) for e in events),
                "nli": made["nli.jsonl"].count("\n"),
                "qa": made["qa.jsonl"].count("\n"),
            }
            if split != "train":
                row |= overlap(sentences[lang]["train"], done)
            figures["languages"][lang][split] = row
    for split, drawn in drawn_by_split.items():
        figures[f"templates_{split}"] = dict(sorted(Counter(c.template for c in drawn).items()))
    text = json.dumps(figures, indent=1, ensure_ascii=False) + "\n"
    (folder / "figures.json").write_text(text, encoding="utf-8")
    (folder / CHECKSUMS).write_text(checksums(folder), encoding="utf-8")
    # Not in the file: compressed sizes differ between builds of zlib.
    return figures | {"bytes": size}
