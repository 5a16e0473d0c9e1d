"""Tokens, phrases and finished sentences: what every grammar builds and every layer reads."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

#: Punctuation that clings to the word before it in every language of the sample.
CLOSING = frozenset(".,?!。，？、")
#: Punctuation that clings to the word after it.
OPENING = frozenset("¿")


@dataclass(eq=False)
class Tok:
    """A syntactic word. `keys` name the scene nodes that it expresses: they are the alignment."""

    form: str
    lemma: str
    upos: str
    feats: str = "_"
    keys: frozenset[str] = frozenset()
    entity: tuple[str, str] | None = None  # (scene node, type)
    rel: str = "root"
    head: Tok | None = None
    #: Surface form of the multiword token that this word opens, and how many words it spans.
    mwt: tuple[str, int] | None = None


@dataclass
class Ph:
    """A phrase: its words in surface order and its head word."""

    toks: list[Tok]
    head: Tok


def word(
    form: str,
    lemma: str,
    upos: str,
    feats: str = "_",
    keys: Iterable[str] = (),
    entity: tuple[str, str] | None = None,
) -> Ph:
    if not form or not lemma:
        raise ValueError(f"empty form or lemma: {form!r} {lemma!r} {upos}")
    feats = "|".join(sorted(feats.split("|"), key=str.lower)) if feats else "_"
    tok = Tok(form, lemma, upos, feats, frozenset(keys), entity)
    return Ph([tok], tok)


def join(head: Ph, left: Sequence[tuple[Ph, str]] = (), right: Sequence[tuple[Ph, str]] = ()) -> Ph:
    """Attach phrases to the left and right of `head`, in surface order."""
    toks: list[Tok] = []
    for side, middle in ((left, True), (right, False)):
        for phrase, rel in side:
            if phrase.head.head is not None:
                raise ValueError(f"{phrase.head.form} is attached already")
            phrase.head.head = head.head
            phrase.head.rel = rel
            toks += phrase.toks
        if middle:
            toks += head.toks
    return Ph(toks, head.head)


def punct(form: str) -> Ph:
    return word(form, form, "PUNCT")


def fuse(phrase: Ph, start: int, count: int, surface: str) -> Ph:
    """Mark `count` words from `start` as one multiword token written `surface`."""
    phrase.toks[start].mwt = (surface, count)
    return phrase


@dataclass
class Sentence:
    """One realised scene. `text` and `spans` give what question answering needs."""

    sent_id: str
    lang: str
    toks: list[Tok]
    heads: list[int]  # 1-based, 0 for the root
    mwts: dict[int, tuple[int, str]]  # start -> (end exclusive, surface)
    space_after: list[bool]
    text: str = ""
    spans: list[tuple[int, int]] = field(default_factory=list)

    @property
    def forms(self) -> list[str]:
        return [t.form for t in self.toks]


def _capital(form: str, lang: str) -> str:
    if lang == "tur" and form[0] == "i":
        return "İ" + form[1:]
    return form[0].upper() + form[1:]


def finish(phrase: Ph, sent_id: str, lang: str, spaced: bool) -> Sentence:
    """Order, capitalise and check a realised clause; raises on anything not a tree."""
    toks = phrase.toks
    place = {id(t): i for i, t in enumerate(toks)}
    if len(place) != len(toks):
        raise ValueError(f"{sent_id} {lang}: a word is used twice")
    heads = [0 if t.head is None else place[id(t.head)] + 1 for t in toks]
    if heads.count(0) != 1 or toks[heads.index(0)] is not phrase.head:
        raise ValueError(f"{sent_id} {lang}: not one root: {[(t.form, t.rel) for t in toks]}")
    toks[heads.index(0)].rel = "root"
    mwts: dict[int, tuple[int, str]] = {}
    for i, t in enumerate(toks):
        if t.mwt:
            mwts[i] = (i + t.mwt[1], t.mwt[0])
    # The first word of a sentence is capitalised, also inside a multiword token.
    if spaced:
        first = 1 if toks[0].form in OPENING else 0
        toks[first].form = _capital(toks[first].form, lang)
        if first in mwts:
            mwts[first] = (mwts[first][0], _capital(mwts[first][1], lang))
    sentence = Sentence(sent_id, lang, toks, heads, mwts, [])
    _set_text(sentence, spaced)
    return sentence


def _set_text(s: Sentence, spaced: bool) -> None:
    n = len(s.toks)
    s.space_after = [spaced] * n
    for i in range(n - 1):
        if s.toks[i + 1].form in CLOSING or s.toks[i].form in OPENING:
            s.space_after[i] = False
    s.space_after[-1] = True
    s.spans = [(0, 0)] * n
    text = ""
    i = 0
    while i < n:
        if i in s.mwts:
            end, surface = s.mwts[i]
            # Words inside a multiword token have no characters of their own: all get its span.
            for j in range(i, end):
                s.spans[j] = (len(text), len(text) + len(surface))
        else:
            end, surface = i + 1, s.toks[i].form
            s.spans[i] = (len(text), len(text) + len(surface))
        text += surface
        if s.space_after[end - 1]:
            text += " "
        i = end
    s.text = text.strip()
