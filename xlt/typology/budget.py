"""A number of training examples, divided over several sources, and the config that uses them.

Budget-Xfer (arXiv 2603.27651) compared sets of sources at equal numbers of examples, in NER and
sentiment for three African languages: several sources beat one (Cohen's d 0.8 to 2.0), and how the
examples are divided among several made no significant difference. So they are divided evenly, as
far as the sources have them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from xlt import languages
from xlt.config.load import load_config
from xlt.config.schema import Reference
from xlt.data import cards
from xlt.data.references import locate, resolve
from xlt.errors import XltError, choose
from xlt.files import writing
from xlt.registry import data_cards, tasks
from xlt.yaml.write import to_yaml

Cards = Mapping[str, cards.Card | None]
"""Language → the card that has its training data; None: they have yet to be labelled."""


@dataclass(frozen=True)
class Share:
    """One source's part of the budget.

    available: examples that its card has here; None where that is unknown.
    """

    language: str
    examples: int
    card: str | None
    available: int | None


def divide(
    budget: int, sources: Sequence[str], available: Mapping[str, int | None] | None = None
) -> dict[str, int]:
    """Examples of each source: evenly, what one lacks over the others, what is left to the first.

    Raises XltError if there are fewer examples than sources, or fewer in all sources together.
    """
    if budget < len(sources):
        raise XltError(
            f"{budget} examples are fewer than the {len(sources)} sources",
            where="--budget",
            fix="raise it, or lower --count",
        )
    have = {code: (available or {}).get(code) for code in sources}
    total = sum(budget if n is None else n for n in have.values())
    if total < budget:
        raise XltError(
            f"the sources have only {total} examples together",
            where="--budget",
            fix=f"ask for {total} at most, or for more sources (--count)",
        )
    allocation: dict[str, int] = {}
    rest, left = list(sources), budget
    # What has less than an even share gives all of it; then the share of the others is larger.
    while short := [
        code for code in rest if (n := have[code]) is not None and n * len(rest) <= left
    ]:
        allocation |= {code: have[code] or 0 for code in short}
        rest = [code for code in rest if code not in allocation]
        left = budget - sum(allocation.values())
    for place, code in enumerate(rest):
        allocation[code] = left // len(rest) + (place < left % len(rest))
    return {code: allocation[code] for code in sources}


def find_cards(
    task: str, sources: Sequence[str], named: Sequence[str] = ()
) -> dict[str, cards.Card | None]:
    """Language → the card with its training data for a task, None where no card has any.

    named: cards to look in first (`--available`). Else those whose files are here first. The
    sample corpus only if it is named: made-up sentences are no evidence.
    """
    training_cards: dict[str, cards.Card | None] = {}
    known = [cards.get(name) for name in data_cards()]
    known = [
        card for card in known if card.task == task and (_is_real(card) or _is_named(card, named))
    ]
    for code in sources:
        able = [card for card in known if _train(card, code) is not None]
        able.sort(
            key=lambda card: (not _is_named(card, named), *_away(card, code), card.identifier)
        )
        training_cards[code] = able[0] if able else None
    return training_cards


def shares(budget: int, task: str, sources: Sequence[str], training_cards: Cards) -> list[Share]:
    """Divide the budget by what the cards' training data have where they are on this machine."""
    available = {code: _size(task, card, code) for code, card in training_cards.items()}
    return [
        Share(code, n, card.identifier if (card := training_cards[code]) else None, available[code])
        for code, n in divide(budget, sources, available).items()
    ]


def write_config(
    path: Path, task: str, target: str, parts: Sequence[Share], encoder: str | None = None
) -> None:
    """A `joint` config with the limits. Files that have yet to be made are named in it.

    Raises XltError if the file exists, or for a task that xlt cannot train.
    """
    if path.exists():
        raise XltError("this file exists already", where=path, fix="give --write another name")
    if task not in tasks.names():
        raise XltError(
            f"no config can be written for {task!r}: xlt trains no such task",
            where="--write",
            fix=choose(task, tasks.names()),
        )
    config = _config(task, target, parts, encoder)
    made = [p.language for p in parts if p.card is None]
    comments = [
        f"# {sum(p.examples for p in parts)} training examples for {languages.name(target)}, "
        "divided by `xlt predict-source --budget` (Budget-Xfer, arXiv 2603.27651)."
    ]
    if made:
        comments.append(f"# To be labelled or translated first: {', '.join(made)} (see `data`).")
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join([*comments, to_yaml(config)]), encoding="utf-8")
    load_config(path)  # what is written is valid, or this says what is not


def _config(task: str, target: str, parts: Sequence[Share], encoder: str | None) -> dict[str, Any]:
    suffix = next(iter(tasks.get(task).formats.values()))[0]
    data: dict[str, Any] = {}
    dev = True
    for part in parts:
        card = cards.get(part.card) if part.card else None
        split = f"{part.card}:{card.language(part.language)}" if card else ""
        train = f"{split}:train" if card else f"data/{part.language}-train{suffix}"
        data[part.language] = {"train": {"ref": train, "limit": part.examples}}
        if card is None:
            data[part.language]["dev"] = f"data/{part.language}-dev{suffix}"
        elif "dev" in card.languages[card.language(part.language)]:
            data[part.language]["dev"] = f"{split}:dev"
        else:
            dev = False
    data[target] = {"test": _test_of(task, target) or f"data/{target}-test{suffix}"}
    sources = [part.language for part in parts]
    several = len(sources) > 1
    return {
        "name": f"{target}-from-{'-'.join(sources)}",
        "task": {"name": task},
        **({"model": {"encoder": _absolute(encoder)}} if encoder else {}),
        "data": data,
        "source": sources,
        "target": [target],
        "strategy": {"name": "joint" if several else "zero_shot"},
        # A checkpoint can be selected on source data only if every source has some for it.
        **({} if dev else {"selection": {"on": "last"}}),
    }


def _absolute(encoder: str) -> str:
    folder = Path(encoder).expanduser()
    return str(folder.resolve()) if folder.is_dir() else encoder


def _test_of(task: str, target: str) -> str | None:
    """A reference to the target's test data: of real cards, of those whose files are here."""
    tests = []
    for name in data_cards():
        card = cards.get(name)
        code = languages.match(target, card.languages) if card.task == task else None
        if code is not None and "test" in card.languages[code]:
            away = not _files(card, code, "test")
            tests.append((not _is_real(card), away, f"{name}:{code}:test"))
    return min(tests)[2] if tests else None


def _train(card: cards.Card, language: str) -> str | None:
    """The card's code for a language that it has training data in."""
    code = languages.match(language, card.languages)
    return code if code is not None and "train" in card.languages[code] else None


def _is_named(card: cards.Card, named: Sequence[str]) -> bool:
    return any(card.identifier == name or card.identifier.startswith(f"{name}-") for name in named)


def _files(card: cards.Card, code: str, split: str) -> bool:
    """Whether a split's files are all on this machine."""
    return all(locate(card, file) is not None for file in card.languages[code][split].files)


def _is_real(card: cards.Card) -> bool:
    return not card.identifier.startswith("sample-")


def _away(card: cards.Card, language: str) -> tuple[bool, bool]:
    """Smaller is better: files that are here, dev data beside them."""
    code = _train(card, language)
    assert code is not None
    lacks_dev = "dev" not in card.languages[code]
    return not _files(card, code, "train"), lacks_dev


def _size(task: str, card: cards.Card | None, language: str) -> int | None:
    """Records of a card's training data, if its files are here."""
    from xlt.data.store import read_documents

    code = _train(card, language) if card is not None else None
    if card is None or code is None or not _files(card, code, "train"):
        return None
    reference = Reference(ref=f"{card.identifier}:{code}:train")
    plugin = tasks.get(task)
    return sum(1 for _ in read_documents(plugin(), resolve(reference, code, "train")))
