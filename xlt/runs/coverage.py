"""Languages that an encoder cannot read, said before anything is trained on them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from xlt import languages
from xlt.data.subwords import subwords_of
from xlt.document import Document
from xlt.model import embedded
from xlt.model.backbone import Backbone
from xlt.registry import EMBEDDED
from xlt.scripts import name, script

if TYPE_CHECKING:
    from xlt.config.schema import Config, Model
    from xlt.runs.sources import Sources
    from xlt.task import Task
    from xlt.transfer.stage import DataSplit

UNREADABLE = 0.2
"""Share of unknown subwords: of a script that the tokenizer has, it is well below 1 %."""

SAMPLE = 2000
"""Records of a data_split that are looked at."""


def coverage(
    config: Config, task: Task, sources: Sources, data_splits: Iterable[DataSplit]
) -> dict[str, list[str]]:
    """Language → warnings, of all languages whose data_splits these are; [] for most."""
    words: dict[str, Counter[str]] = {}
    for data_split in data_splits:
        found = words.setdefault(data_split.language, Counter())
        found.update(count_words(task, sources.load(data_split).records[:SAMPLE]))
    tokenizer = Backbone(config.model.encoder, config.model).tokenizer
    return {
        language: warnings(language, found, tokenizer, config.model)
        for language, found in words.items()
    }


def count_words(task: Task, records: Iterable[Document]) -> Counter[str]:
    return Counter(word for record in records for word in task.words(record))


def warnings(
    language: str, words: Mapping[str, int], tokenizer: Any, model: Model | None = None
) -> list[str]:
    """What a user should know before trusting this encoder with this language.

    words: of the language's data, with how often each occurs.
    model: the config's; None where the encoder has been trained on the language since.
    """
    share, scripts = unknown_pieces(words, tokenizer)
    shown = "text" if language == "und" else f"{languages.name(language)} ({language})"
    found = []
    if model is not None and model.encoder == EMBEDDED and model.initialise == "pretrained":
        info = embedded.info()
        if languages.match(language, info.languages) is None:
            found.append(
                f"{EMBEDDED} {info.version} has never seen {shown}: "
                f"{share:.1%} of its subwords are unknown"
            )
    if share > UNREADABLE:
        found.append(
            f"the tokenizer has no subwords for much of the {shown} in {' and '.join(scripts)}"
            f" letters: {share:.1%} of the subwords are unknown, and all of these look alike"
        )
    return found


def unknown_pieces(words: Mapping[str, int], tokenizer: Any) -> tuple[float, list[str]]:
    """The share of unknown subwords, and the scripts that most of the unknown words are in."""
    every = sorted(words)
    if not every:
        return 0.0, []
    subwords = subwords_of(tokenizer)
    unknown = total = 0
    scripts: Counter[str] = Counter()
    # A word's subwords hardly depend on its neighbours, so each word is encoded once.
    for word, ids in zip(every, subwords.alone(every), strict=True):
        lost = int(subwords.is_unknown(ids).sum())
        unknown += lost * words[word]
        total += len(ids) * words[word]
        if lost:
            scripts[_script(word)] += words[word]
    most = [name(code) for code, n in scripts.most_common(2) if 4 * n > scripts.total()]
    return unknown / total, most


def _script(word: str) -> str:
    """The script of its first letter."""
    return script(next((c for c in word if c.isalpha()), word[:1]))
