"""Languages that an encoder cannot read, said before anything is trained on them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from xlt import languages
from xlt.model import embedded
from xlt.model.backbone import Backbone
from xlt.registry import EMBEDDED
from xlt.scripts import name, script

if TYPE_CHECKING:
    from xlt.config.schema import Config, Model
    from xlt.runs.sources import Sources
    from xlt.task import Record, Task
    from xlt.transfer.stage import Portion

UNREADABLE = 0.2
"""Share of unknown pieces: of a script that the tokenizer has, it is well below 1 %."""

SAMPLE = 2000
"""Records of a portion that are looked at."""


def coverage(
    config: Config, task: Task, sources: Sources, portions: Iterable[Portion]
) -> dict[str, list[str]]:
    """Language → warnings, of all languages whose portions these are; [] for most."""
    words: dict[str, Counter[str]] = {}
    for portion in portions:
        found = words.setdefault(portion.language, Counter())
        found.update(count_words(task, sources.load(portion).records[:SAMPLE]))
    tokenizer = Backbone(config.model.encoder, config.model).tokenizer
    return {
        language: warnings(language, found, tokenizer, config.model)
        for language, found in words.items()
    }


def count_words(task: Task, records: Iterable[Record]) -> Counter[str]:
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
                f"{share:.1%} of its pieces are unknown"
            )
    if share > UNREADABLE:
        found.append(
            f"the tokenizer has no pieces for much of the {shown} in {' and '.join(scripts)}"
            f" letters: {share:.1%} of the pieces are unknown, and all unknown pieces look alike"
        )
    return found


def unknown_pieces(words: Mapping[str, int], tokenizer: Any) -> tuple[float, list[str]]:
    """The share of unknown pieces, and the scripts that most of the unknown words are in."""
    every = sorted(words)
    if not every:
        return 0.0, []
    # A word's pieces do not depend on its neighbours, so each word is encoded once.
    encoded = tokenizer([[word] for word in every], is_split_into_words=True,
                        add_special_tokens=False)["input_ids"]  # fmt: skip
    unknown = total = 0
    scripts: Counter[str] = Counter()
    for word, pieces in zip(every, encoded, strict=True):
        # A word without pieces is given an unknown one (xlt.data.encode).
        lost = sum(piece == tokenizer.unk_token_id for piece in pieces) if pieces else 1
        unknown += lost * words[word]
        total += max(1, len(pieces)) * words[word]
        if lost:
            scripts[_script(word)] += words[word]
    most = [name(code) for code, n in scripts.most_common(2) if 4 * n > scripts.total()]
    return unknown / total, most


def _script(word: str) -> str:
    """The script of its first letter."""
    return script(next((c for c in word if c.isalpha()), word[:1]))
