"""A small generator: xlt-mini with a decoder that has learnt to restore sentences.

python -m scripts.experiments.generator FOLDER [--languages eng deu …] [--minutes 12]

Sentences of the train splits of the data cards, a part of their words hidden (text infilling, Lewis
et al. 2020, arXiv 1910.13461), are written out whole; nothing is translated. Call it again with the
same folder until it says that it is done: what a call had reached is kept. The folder then loads
with AutoModelForSeq2SeqLM.
"""

from __future__ import annotations

import argparse
import logging
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import regex
import torch
from safetensors.torch import load_file, save_file

from scripts.build_encoder.text import column, json_sentences, premises, treebank
from xlt.config.schema import Model
from xlt.data import cards
from xlt.data.batch import StepSampler
from xlt.data.prompt import PromptEncoder, collate_prompts, collate_targets
from xlt.data.subwords import Ids, Subwords
from xlt.errors import XltError
from xlt.files import write_json
from xlt.inference.device import autocast, choose_precision
from xlt.inference.predictor import subword_table, trimmed
from xlt.model.backbone import Backbone
from xlt.model.decoder import end_id
from xlt.model.generation import Generation
from xlt.model.seq2seq import Seq2Seq
from xlt.model.vocabulary import SUBWORDS, Trimmed
from xlt.registry import data_cards
from xlt.tasks.question_generation import exemplars

log = logging.getLogger("generator")

LANGUAGES = ["eng", "deu", "spa", "hin", "zho", "tur", "ara", "rus", "vie", "ell", "tha", "ind"]
MAX_CHARACTERS = 200
"""Characters of a sentence."""
QUESTION_MARKS = "?？؟;"
MAX_QUESTION_SHARE = 0.4
"""Of the sentences that end in such a mark (Greek's is `;`), at most, before others are taken."""
COPY = 3.0
"""What is added to the logits of subwords in the input, at first."""
HIDDEN = 0.3
SPAN = 3.0
"""Mean words of a hidden span."""


_SPACELESS = (
    r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}ー"
    r"\u3001-\u303F\uFF01-\uFFEF]"
)
_NO_SPACE = regex.compile(
    rf"(?<={_SPACELESS})[ ](?={_SPACELESS})|[ ](?=[,.;:!?%)\]}}»”…])|(?<=[(\[{{¿¡«“])[ ]",
    regex.VERSION1,
)


def sentences(language: str, number: int, seed: int, card: str | None = None) -> list[str]:
    """Sentences of what cards (or this treebank) have to train on, no test split but NTREX's; the
    questions come first, with the exemplars of `question_generation`."""
    own = exemplars.find(language)
    unique = dict.fromkeys(q for some in own.questions.values() for q in some) if own else {}
    for text in _all(language) if card is None else treebank(f"{card}:{language}:train"):
        text = untokenised(text)
        if 10 <= len(text) <= MAX_CHARACTERS:
            unique[text] = None
    order = np.random.default_rng([seed, *language.encode()]).permutation(len(unique))
    texts = list(unique)
    every = [texts[i] for i in order]
    asked = [text for text in every if text[-1] in QUESTION_MARKS][
        : round(MAX_QUESTION_SHARE * number)
    ]
    taken = {*asked}
    return [*asked, *(text for text in every if text not in taken)][:number]


def untokenised(text: str) -> str:
    """Text without the spaces that tokenisers put in: inside scripts without spaces, before closing
    and after opening punctuation."""
    return str(_NO_SPACE.sub("", " ".join(text.split())))


def _all(language: str) -> Iterator[str]:
    if language in cards.get("multinli-mt").languages:
        yield from premises(f"multinli-mt:{language}:train")
    for name in sorted(data_cards()):
        card = cards.get(name)
        splits = card.languages.get(language, {})
        if name.startswith("sample-"):
            continue
        try:
            if card.task == "dependency_parsing" and "train" in splits:
                yield from treebank(f"{name}:{language}:train")
            elif name in ("indonli", "nusax-mt") and "train" in splits and card.format == "jsonl":
                yield from json_sentences(f"{name}:{language}:train")
        except XltError as error:
            log.warning("%s left out: %s", name, error)
    yield from column("ntrex", language, "test")


def hide(words: list[str], draw: np.random.Generator, mask: str) -> list[str]:
    """The words with spans of them, `HIDDEN` of all, each become one mask."""
    left = round(HIDDEN * len(words))
    kept: list[str | None] = list(words)
    while left > 0:
        length = min(left, max(1, int(draw.poisson(SPAN))))
        start = int(draw.integers(0, max(1, len(kept) - length + 1)))
        kept[start : start + length] = [None] * min(length, len(kept) - start)
        left -= length
    result = []
    for word in kept:
        if word is not None:
            result.append(word)
        elif not result or result[-1] != mask:
            result.append(mask)
    return result


def units(text: str) -> list[str]:
    """What may be hidden: words, or characters where there are no spaces."""
    words = text.split()
    return words if len(words) > len(text) / 12 else list(text)


def masked(text: str, mask: str, subwords: Subwords) -> Ids:
    """The subwords of a text with the unknown one where the mask is."""
    unknown = np.array([subwords.unknown], np.int32)
    parts = [part for ids in subwords(text.split(mask)) for part in (unknown, ids)]
    return np.concatenate(parts[1:])


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m scripts.experiments.generator")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--languages", nargs="+", default=LANGUAGES)
    parser.add_argument("--card", help="a treebank to take the sentences from")
    parser.add_argument("--sentences", type=int, default=2500, help="of each language, at most")
    add_schedule(parser)
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    torch.manual_seed(options.seed)
    settings = Model(decoder_layers=options.decoder_layers)
    backbone = Backbone("xlt-mini", settings)
    model = Seq2Seq(backbone.seq2seq(), {}, backbone, Generation(copy_bias=True))
    assert model.copy is not None
    model.copy.data.fill_(COPY)
    texts = [
        sentence
        for language in options.languages
        for sentence in sentences(language, options.sentences, options.seed, options.card)
    ]
    draw = np.random.default_rng(options.seed)
    mask = "\0"
    noisy = [_joined(text, hide(units(text), draw, mask)) for text in texts]
    log.info("%d sentences of %d languages", len(texts), len(options.languages))
    encoder, end = PromptEncoder(backbone.words), [end_id(backbone)]
    nothing = np.zeros(0, np.int32)
    inputs = [encoder.windows(nothing, masked(text, mask, backbone.subwords)) for text in noisy]
    targets = [np.append(ids, end) for ids in backbone.subwords(texts)]
    learn(model, backbone, inputs, targets, options)


def add_schedule(parser: argparse.ArgumentParser) -> None:
    """The options of `learn`."""
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--batch-tokens", type=int, default=3000)
    parser.add_argument("--learning-rate", type=float, default=1e-3)
    parser.add_argument("--decoder-layers", type=int, default=2)
    parser.add_argument("--minutes", type=float, default=12, help="of this call")
    parser.add_argument("--seed", type=int, default=1)


def learn(
    model: Seq2Seq,
    backbone: Backbone,
    inputs: Sequence[Sequence[Ids]],
    targets: Sequence[Ids],
    options: argparse.Namespace,
) -> None:
    """Train on windows (subwords) and targets, or go on with it; saved in `options.folder`."""
    begin = time.monotonic()
    needed = np.unique(np.concatenate([np.concatenate(w) for w in inputs] + [*targets]))
    vocabulary = Trimmed(model.encoder, backbone.tokenizer, needed)
    table = subword_table(vocabulary)
    lengths = [sum(map(len, w)) + len(t) for w, t in zip(inputs, targets, strict=True)]
    sampler = StepSampler(
        lengths, [np.arange(len(inputs))], budget=options.batch_tokens, epochs=1000,
        max_steps=options.steps, seed=options.seed,
    )  # fmt: skip
    optimizer = torch.optim.AdamW(model.parameters(), options.learning_rate, fused=True)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda n: min(10 * (n + 1) / options.steps, max(0.02, 1 - n / options.steps))
    )
    state, done = options.folder / "unfinished.safetensors", 0
    if state.is_file():
        saved = load_file(state)
        done = int(saved.pop("step"))
        for n, parameter in enumerate(model.parameters()):
            parameter.data.copy_(saved[f"{n}"])
            optimizer.state[parameter] = {
                "step": torch.tensor(float(done)),
                "exp_avg": saved[f"{n}.mean"], "exp_avg_sq": saved[f"{n}.square"],
            }  # fmt: skip
        schedule.last_epoch = done
    precision = choose_precision("auto", "cpu")
    model.train()
    recent: list[float] = []
    for step, rows in enumerate(sampler):
        if step < done:
            continue
        if time.monotonic() - begin > 60 * options.minutes:
            break
        batch = trimmed(
            {
                **collate_prompts([inputs[i] for i in rows], backbone.pad_id, backbone.max_length),
                **collate_targets([targets[i] for i in rows], backbone.pad_id),
            },
            table,
        )
        with autocast(precision, "cpu"):
            loss = model(**batch)["loss"]
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        done = step + 1
        recent.append(float(loss.detach()))
        if done % 50 == 0:
            seconds = time.monotonic() - begin
            log.info("step %d: loss %.3f, %.0f s", done, np.mean(recent[-50:]), seconds)
    options.folder.mkdir(parents=True, exist_ok=True)
    if done < options.steps:
        saved = {"step": torch.tensor(done)}
        for n, parameter in enumerate(model.parameters()):
            kept = optimizer.state[parameter]
            saved[f"{n}"] = parameter.detach().clone()
            saved[f"{n}.mean"], saved[f"{n}.square"] = kept["exp_avg"], kept["exp_avg_sq"]
        save_file(saved, state)
        log.info("stopped at step %d of %d: call again", done, options.steps)
        return
    if model.copy is not None:
        model.config.copy_bias = model.copy.item()
    with vocabulary.restored(model.encoder):
        model.save(options.folder)
    vocabulary.save(options.folder / SUBWORDS)  # whoever learns from it goes on with all of them
    backbone.tokenizer.save_pretrained(options.folder)
    write_json(options.folder / "made.json", {**vars(options), "folder": str(options.folder)})
    state.unlink(missing_ok=True)
    log.info("done")


def _joined(text: str, words: list[str]) -> str:
    return (" " if " " in text or len(words) < len(text) / 12 else "").join(words)


if __name__ == "__main__":
    main()
