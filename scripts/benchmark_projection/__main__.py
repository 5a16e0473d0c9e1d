"""Alignment and projection against gold: python -m scripts.benchmark_projection PART

    entities    Europarl NER, English → German and Spanish (human translations, gold on both
                sides): F1 of projected spans, by aligner. Choices were made on the first half of
                the sentences; the second is reported. With --ranker also after spans near those
                that links lead to were ranked by that translation model.
    alignments  XL-WA and the other gold alignments: AER and F1 by language and aligner.
    weights     those of the aligner `combined`, fitted on the dev parts of XL-WA.
    guard       how many human translations of NTREX the translation guard finds suspicious.
    speed       extraction, projection and alignment, in pairs a second, against plain loops.

Data come from XLT_DATA or the cache, as for `xlt train`.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any, TypeGuard

import numpy as np
import yaml

from scripts.build_encoder.text import column
from xlt.config.schema import ProjectionSettings
from xlt.data import cards
from xlt.document import Document
from xlt.errors import XltError
from xlt.evaluation.statistics import Counts, paired_difference
from xlt.projection.align.agreement import Agreement, AgreementOptions
from xlt.projection.align.base import Aligner, AlignerOptions, WordPair
from xlt.projection.align.combined import Combined, CombinedOptions
from xlt.projection.align.eflomal import Eflomal, EflomalOptions
from xlt.projection.align.encoder import Encoder, EncoderOptions
from xlt.projection.align.statistical import Statistical
from xlt.projection.pair import AlignedPair, Links
from xlt.projection.spans import project_spans
from xlt.projection.translate.base import TranslatorOptions
from xlt.projection.translate.guard import warning_for
from xlt.registry import E5_SMALL, EMBEDDED

from .gold import alignment_scores, entities_of, europarl, gold_sets, parallel, words_of
from .ranked import ranked
from .speed import cpu_seconds, speed
from .weights import fit

ALIGNERS: dict[str, tuple[Callable[[Any], Aligner], type[AlignerOptions]]] = {
    "agreement": (Agreement, AgreementOptions),
    "combined": (Combined, CombinedOptions),
    "eflomal": (Eflomal, EflomalOptions),
    "encoder": (Encoder, EncoderOptions),
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("part", choices=["entities", "alignments", "weights", "guard", "speed"])
    parser.add_argument("--aligners", nargs="+", default=["agreement", "eflomal", "encoder"])
    parser.add_argument("--languages", nargs="+", help="by default all")
    parser.add_argument("--parallel", nargs="*", default=None, metavar="CARD",
                        help="ntrex, multinli-mt, xl-wa, bible-nt; by default none and the first "
                        "three")  # fmt: skip
    parser.add_argument("--rows", type=int, default=20_000, help="of each card of parallel text")
    parser.add_argument("--repeat", type=int, default=1, help="of entities: eflomal has no seed")
    parser.add_argument("--half", choices=["first", "second"], default="second")
    parser.add_argument("--split", choices=["dev", "test"], default="test", help="of XL-WA")
    parser.add_argument("--set", nargs="*", default=[], metavar="KEY=VALUE",
                        help="options of the aligner, or of projection.*")  # fmt: skip
    parser.add_argument("--ranker", help="folder; {language} in it is the target's code")
    parser.add_argument("--candidates", help="a run that proposes spans for --ranker")
    parser.add_argument("--weights", nargs="+", type=float, default=[0.3],
                        help="of the translation's score against the links'")  # fmt: skip
    options = parser.parse_args()
    if options.part == "speed":
        speed({name: lambda name=name, **o: make(name, o) for name in options.aligners})
    else:
        parts = {"entities": entities, "alignments": alignments, "weights": weights, "guard": guard}
        parts[options.part](options)


def _settings(options: argparse.Namespace) -> tuple[dict[str, Any], ProjectionSettings]:
    """`--set`: what the aligner and what the projector gets."""
    stated = dict(item.split("=", 1) for item in options.set)
    values = {key: yaml.safe_load(value) for key, value in stated.items()}
    projection = {k.removeprefix("projection."): v for k, v in values.items() if "." in k}
    return {k: v for k, v in values.items() if "." not in k}, ProjectionSettings(**projection)


def make(name: str, own: dict[str, Any]) -> Aligner:
    """The aligner, with those of the options that it has."""
    kind, options = ALIGNERS[name]
    return kind(options(**{k: v for k, v in own.items() if k in options.model_fields}))


def _learns(aligner: Aligner) -> TypeGuard[Statistical | Encoder]:
    """Whether it learns from parallel text."""
    tuned = isinstance(aligner, Encoder) and aligner.options.fine_tune is not None
    return tuned or isinstance(aligner, Statistical)


def _aligned(
    aligner: Aligner, pairs: Sequence[WordPair], source: str, target: str
) -> tuple[list[Links], float]:
    """The links, and the seconds of CPU that they took."""
    links: list[Links] = []
    took = cpu_seconds(lambda: links.extend(aligner.align(pairs, source, target)))
    return links, took


def entities(options: argparse.Namespace) -> None:
    own, settings = _settings(options)
    english = europarl("eng")
    half = len(english) // 2
    chosen = range(half) if options.half == "first" else range(half, len(english))
    print(f"Europarl NER, {options.half} half: {len(chosen)} sentences")
    for language in options.languages or ["deu", "spa"]:
        theirs = europarl(language)
        pairs = words_of((a.text, b.text) for a, b in zip(english, theirs, strict=True))
        first: Counts | None = None
        for names in _parallel_choices(options):
            more = parallel(names, "eng", language, options.rows)
            for name in options.aligners:
                aligner = make(name, own)
                if _learns(aligner):
                    aligner.learn_from(words_of(more))
                elif names:
                    continue
                for _ in range(options.repeat):
                    links, took = _aligned(aligner, pairs, "eng", language)
                    what = f"{language} {name:10} + {len(more):6} pairs"
                    both = english, theirs, links, chosen, settings
                    counts = _say_entities(what, *both, took, first)
                    first = counts if first is None else first
                    if options.ranker:
                        model = options.ranker.format(language=language)
                        scored = ranked(*both, language, model, options.weights, options.candidates)
                        for weight, reranked, took in scored:
                            what_ranked = f"{what}, ranked, weight {weight:.2f}"
                            _say_entities(
                                what_ranked,
                                english,
                                theirs,
                                reranked,
                                chosen,
                                settings,
                                took,
                                first,
                            )


def _say_entities(
    what: str,
    source: Sequence[Document],
    target: Sequence[Document],
    links: Sequence[Links],
    chosen: Sequence[int],
    settings: ProjectionSettings,
    took: float,
    first: Counts | None,
) -> Counts:
    """Print the scores, and how far F1 is from that of what came first for the language.

    Returns what was counted of each sentence, as of `_entity_counts`.
    """
    counts, sure = _entity_counts(source, target, links, chosen, settings)
    f1, precision, recall = (float(value) for value in _scores(counts.sum(0)).values())
    print(f"{what}: F1 {f1:.1f} (P {precision:.1f} R {recall:.1f}) {took:.0f} s CPU")
    if first is not None:
        against = paired_difference(counts, first, _scores)["f1"]
        shown = f"{against.difference:+.1f} [{against.low:+.1f}, {against.high:+.1f}]"
        print(f"    F1 against the first of {len(chosen)} sentences: {shown}, p = {against.p:.4f}")
    print(f"    right by confidence: {_calibration(sure)}", flush=True)
    return counts


def _scores(counts: Counts) -> dict[str, Counts]:
    """In percent; counts: (..., 3), spans that are right, projected, and wanted."""
    right, made, wanted = (counts[..., n] for n in range(3))
    return {
        "f1": 200 * right / np.maximum(1, made + wanted),
        "precision": 100 * right / np.maximum(1, made),
        "recall": 100 * right / np.maximum(1, wanted),
    }


def _entity_counts(
    source: Sequence[Document],
    target: Sequence[Document],
    links: Sequence[Links],
    chosen: Sequence[int],
    settings: ProjectionSettings,
) -> tuple[Counts, list[tuple[float, bool]]]:
    """Of each sentence the spans that are right, projected, and wanted: (sentences, 3); each
    projected span's confidence, and if it is right."""
    counted: list[tuple[int, int, int]] = []
    sure: list[tuple[float, bool]] = []
    for n in chosen:
        pair = AlignedPair(source[n].text, target[n].text, links[n])
        kept = [o for o in project_spans(entities_of(source[n]), pair, settings) if o.span]
        projected = {o.span for o in kept}
        gold = set(entities_of(target[n]))
        sure += [(o.confidence or 0.0, o.span in gold) for o in kept]
        counted.append((len(projected & gold), len(projected), len(gold)))
    return np.array(counted, np.float64), sure


def _calibration(spans: Sequence[tuple[float, bool]]) -> str:
    """The share of right spans in ranges of confidence, and the area under the ROC curve."""
    edges = (0.0, 0.3, 0.5, 0.7, 0.95, 1.01)
    parts = []
    for low, high in pairwise(edges):
        inside = [right for confidence, right in spans if low <= confidence < high]
        if inside:
            parts.append(f"from {low:g}: {100 * np.mean(inside):.0f} % of {len(inside)}")
    good = np.array([confidence for confidence, right in spans if right])
    bad = np.array([confidence for confidence, right in spans if not right])
    if len(good) and len(bad):
        above = (good[:, None] > bad).mean() + (good[:, None] == bad).mean() / 2
        parts.append(f"AUC {above:.2f}")
    return ", ".join(parts)


def alignments(options: argparse.Namespace) -> None:
    own, _ = _settings(options)
    print("set source target aligner | pairs + parallel | AER F1 precision recall | CPU s")
    for name, source, target, gold in gold_sets(options.split):
        if options.languages and not {source, target} & set(options.languages):
            continue
        for names in _parallel_choices(options):
            more = parallel(names, source, target, options.rows)
            for aligner_name in options.aligners:
                aligner = make(aligner_name, own)
                if _learns(aligner):
                    aligner.learn_from(words_of(more))
                elif names:
                    continue
                links, took = _aligned(aligner, gold.pairs, source, target)
                aer, f1, precision, recall = alignment_scores(links, gold)
                print(
                    f"{name:8} {source} {target} {aligner_name:10} | {len(gold.pairs):4} "
                    f"+ {len(more):6} | {aer:5.1f} {f1:5.1f} {precision:5.1f} {recall:5.1f} "
                    f"| {took:.1f}",
                    flush=True,
                )


def weights(options: argparse.Namespace) -> None:
    own, _ = _settings(options)
    choices = _parallel_choices(options)
    for encoder in [own["encoder"]] if "encoder" in own else [E5_SMALL, EMBEDDED]:
        fitted = fit(CombinedOptions(**{**own, "encoder": encoder}), choices, options.rows)
        print(f"{encoder}: {fitted}", flush=True)


def guard(options: argparse.Namespace) -> None:
    card = cards.get("ntrex")
    english = column("ntrex", "eng", "test")
    settings = TranslatorOptions()
    shares = {}
    for language in options.languages or [code for code in card.languages if code != "eng"]:
        try:
            theirs = column("ntrex", language, "test")
        except XltError as error:
            print(f"{language} left out: {error}")
            continue
        warnings = [warning_for(a, b, settings) for a, b in zip(english, theirs, strict=True)]
        shares[language] = 100 * sum(w is not None for w in warnings) / len(warnings)
        shown = ", ".join(sorted({w for w in warnings if w})[:3])
        print(f"{language} {shares[language]:.2f} %  {shown}", flush=True)
    worst = max(shares, key=lambda code: shares[code])
    print(f"mean {np.mean(list(shares.values())):.2f} %, worst {worst} {shares[worst]:.2f} %")


def _parallel_choices(options: argparse.Namespace) -> list[list[str]]:
    return [[], ["ntrex", "multinli-mt", "xl-wa"]] if options.parallel is None else [
        options.parallel
    ]  # fmt: skip


if __name__ == "__main__":
    main()
