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
from xlt.model.extension.report import said
from xlt.model.pretrained import Pretrained, offline
from xlt.registry import EMBEDDED
from xlt.scripts import name, script

if TYPE_CHECKING:
    from xlt.config.schema import Config, Model
    from xlt.runs.sources import Sources
    from xlt.task import Task
    from xlt.transfer.stage import DataSplit

MAX_UNKNOWN_SHARE = 0.2
"""Share of unknown subwords above which a user is warned.

Of a script that the tokenizer has, it is well below 1 %."""

MAX_COUNTED_RECORDS = 2000
"""Records of a split whose words are counted."""


def coverage(
    config: Config, sources: Sources, data_splits: Iterable[DataSplit]
) -> dict[str, list[str]]:
    """Language → warnings, of all languages whose splits these are; [] for most."""
    words: dict[str, Counter[str]] = {}
    for data_split in data_splits:
        counter = words.setdefault(data_split.language, Counter())
        records = sources.load(data_split).records[:MAX_COUNTED_RECORDS]
        counter.update(count_words(sources.task_of(data_split), records))
    tokenizer = Backbone(config.model.encoder, config.model).tokenizer
    return {
        language: warnings(language, counter, tokenizer, config.model)
        for language, counter in words.items()
    }


def about_vocabulary(model: Model, *, local: bool = False) -> str:
    """What came of `model.vocabulary`, in a sentence; "" without it.

    local: nothing is fetched. Raises XltError where the encoder cannot be extended.
    """
    if model.vocabulary is None:
        return ""
    found = Pretrained(model.encoder, model, local=local or offline()).extension
    return said(found) if found else ""


def count_words(task: Task, records: Iterable[Document]) -> Counter[str]:
    return Counter(word for record in records for word in task.words(record))


def warnings(
    language: str, words: Mapping[str, int], tokenizer: Any, model: Model | None = None
) -> list[str]:
    """What a user should know before trusting this encoder with this language.

    words: of the language's data, with how often each occurs.
    model: the config's; None where the encoder has been trained on the language since.
    """
    share, scripts = unknown_subwords(words, tokenizer)
    shown = "text" if language == "und" else f"{languages.name(language)} ({language})"
    messages = []
    if model is not None and model.encoder == EMBEDDED and model.initialise == "pretrained":
        info = embedded.info()
        if languages.match(language, info.languages) is None:
            messages.append(
                f"{EMBEDDED} {info.version} has never seen {shown}: "
                f"{share:.1%} of its subwords are unknown"
            )
    if share > MAX_UNKNOWN_SHARE:
        messages.append(
            f"the tokenizer has no subwords for much of the {shown} in {' and '.join(scripts)}"
            f" letters: {share:.1%} of the subwords are unknown, and all of these look alike"
        )
    return messages


def unknown_subwords(words: Mapping[str, int], tokenizer: Any) -> tuple[float, list[str]]:
    """The share of unknown subwords, and the scripts that most of the unknown words are in."""
    scripts: Counter[str] = Counter()
    total, unknown = subword_counts(words, tokenizer, scripts)
    most = [name(code) for code, n in scripts.most_common(2) if 4 * n > scripts.total()]
    return unknown / max(1, total), most


def subword_counts(
    words: Mapping[str, int], tokenizer: Any, scripts: Counter[str] | None = None
) -> tuple[int, int]:
    """How many subwords the words have, and how many of these are unknown.

    words: each with how often it occurs. scripts: here the words with unknown ones are counted.
    """
    every = sorted(words)
    unknown = total = 0
    if not every:
        return total, unknown
    subwords = subwords_of(tokenizer)
    # A word's subwords hardly depend on its neighbours, so each word is encoded once.
    for word, ids in zip(every, subwords.alone(every), strict=True):
        lost = int(subwords.is_unknown(ids).sum())
        unknown += lost * words[word]
        total += len(ids) * words[word]
        if lost and scripts is not None:
            scripts[_script(word)] += words[word]
    return total, unknown


def _script(word: str) -> str:
    """The script of its first letter."""
    return script(next((c for c in word if c.isalpha()), word[:1]))
