"""Does every character of real text survive the split into words?

    python -m scripts.check_segmentation [LANGUAGE …]

NTREX-128 (`parallel/ntrex/`, a file a language) and the Universal Declaration of Human Rights
(`parallel/udhr/udhr.tsv`: version, language, name, paragraph, text) in the folder XLT_DATA, all
languages or those that are named. Prints for each the lines, the characters that are not white
space, how many of them are in no word or in another order, the words, and the rules that found
them; ends with 1 if one is lost.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from difflib import SequenceMatcher
from pathlib import Path

from xlt import languages
from xlt.data.files import lines
from xlt.data.segment import describe, tokenised
from xlt.errors import XltError

Corpus = tuple[str, str, list[str]]
"""Name, language and lines."""


def corpora(folder: Path) -> Iterator[Corpus]:
    """All texts in the folder, a language or version at a time."""
    files = sorted(folder.glob("parallel/ntrex/newstest2019-*.txt"))
    declaration = folder / "parallel" / "udhr" / "udhr.tsv"
    if not files or not declaration.exists():
        raise XltError(
            "there are no parallel/ntrex and parallel/udhr here",
            where=folder,
            fix="set XLT_DATA to the folder that has them",
        )
    for path in files:
        yield "NTREX", path.name.split(".")[1], [line for _, line in lines(path)]
    versions: dict[tuple[str, str], list[str]] = {}
    for _, line in lines(declaration):
        version, language, _, _, text = line.split("\t", 4)
        versions.setdefault((version, language), []).append(text)
    for (version, language), texts in versions.items():
        yield f"UDHR {version}", language, texts


def without_spaces(text: str) -> str:
    return "".join(text.split())


def lost(text: str, words: Iterable[str]) -> int:
    """The characters of the text that the words do not have, in order."""
    whole, kept = without_spaces(text), without_spaces("".join(words))
    if whole == kept:
        return 0
    blocks = SequenceMatcher(None, whole, kept, autojunk=False).get_matching_blocks()
    return len(whole) - sum(block.size for block in blocks)


def main(wanted: list[str]) -> int:
    """Prints the table; returns the number of characters lost."""
    codes = {languages.code(language) for language in wanted}
    total_lines = total_characters = total_lost = 0
    print("text\tlanguage\tlines\tcharacters\tlost\twords\trules")
    for name, language, texts in corpora(Path(os.environ.get("XLT_DATA", "data"))):
        if codes and languages.code(language) not in codes:
            continue
        split = [tokenised(text, language).words for text in texts]
        characters = sum(len(without_spaces(text)) for text in texts)
        missing = sum(map(lost, texts, split))
        count = sum(map(len, split))
        print(name, language, len(texts), characters, missing, count, describe(language), sep="\t")
        total_lines += len(texts)
        total_characters += characters
        total_lost += missing
    print("all", "", total_lines, total_characters, total_lost, "", "", sep="\t")
    return total_lost


if __name__ == "__main__":
    try:
        sys.exit(min(main(sys.argv[1:]), 1))
    except XltError as error:
        sys.exit(str(error))
