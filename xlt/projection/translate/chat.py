"""`chat`: a large language model behind an OpenAI-compatible endpoint translates.

A sentence is a request, with the sentences before it in the same text as its context (`context`)
and those entries of a glossary that are about it. What translates spans says of each what it is in
a translation that is there already: contextual label projection (CLaP; Parekh et al. 2024,
arXiv 2309.08943), all spans of a text in one request.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import regex  # type: ignore[import-untyped]
from pydantic import Field

from xlt import languages
from xlt.chat.checked import Checked, InvalidAnswerError, ask_checked, read_object
from xlt.chat.client import Client
from xlt.chat.cost import approximate, described
from xlt.chat.endpoint import NO_ANSWER, Endpoint
from xlt.chat.phrases import find
from xlt.chat.protocol import Prompt
from xlt.data.checksums import sha256
from xlt.data.files import lines
from xlt.document import Offsets
from xlt.errors import XltError
from xlt.options import LocalPath
from xlt.projection.translate.base import MarkedText, Translation, Translator, TranslatorOptions
from xlt.projection.translate.guard import warning_for
from xlt.scripts import is_spaceless

if TYPE_CHECKING:
    from xlt.projection.translate.cache import Cache

log = logging.getLogger(__name__)

VERSION = 1
"""Of the prompts: raise it when the same text would be asked for in other words."""

_BREAK = "\u2029"
"""Between sentences of context and what is to be translated; no text of one line has it."""

_QUOTES = (('"', '"'), ("“", "”"), ("„", "“"), ("«", "»"), ("「", "」"))
_SPACES = regex.compile(r"\s+")
_SPANS: Mapping[str, Any] = {
    "type": "object",
    "properties": {"translations": {"type": "array", "items": {"type": "string"}}},
    "required": ["translations"],
    "additionalProperties": False,
}


class ChatOptions(Endpoint, TranslatorOptions):
    without_effect: ClassVar[frozenset[str]] = NO_ANSWER

    glossary: Annotated[str, LocalPath("always")] | None = Field(
        default=None,
        description="terms and their translations, a pair a line with a tab between them; those "
        "that occur in a sentence are told",
    )
    context: int = Field(
        default=0, ge=0, le=50, description="sentences before it in the same text that are shown"
    )
    instructions: str | None = Field(
        default=None, max_length=10_000, description="what else is told, e.g. on style"
    )


class Chat(Translator):
    """Sends sentences to the service in `base_url`, with consent (`--allow online`)."""

    Options: ClassVar[type[TranslatorOptions]] = ChatOptions
    options: ChatOptions
    online = True

    @classmethod
    def service(cls, name: str, options: Mapping[str, Any]) -> str:
        return ChatOptions.model_validate(options).recipient

    def check(self, source: str, target: str) -> None:
        try:
            self.options.key()
        except XltError as error:
            raise error.at("projection.translator.key_env") from error
        _ = self._glossary

    def identity(self, source: str, target: str) -> str:
        options = self.options
        # What is suspicious is asked for again.
        suspicious = {"max_ratio": options.max_ratio, "max_repeats": options.max_repeats}
        told = {**options.answers_of(), **suspicious, "instructions": options.instructions}
        told["version"] = VERSION
        if options.glossary is not None:
            told["glossary"] = sha256(Path(options.glossary))
        return f"chat {json.dumps(told, sort_keys=True)}"

    def parts(self, text: str, source: str) -> list[str]:
        """Sentences, each with those before it."""
        alone = super().parts(text, source)
        before = self.options.context
        return [_BREAK.join(alone[max(0, n - before) : n + 1]) for n in range(len(alone))]

    def translate(self, texts: Sequence[str], source: str, target: str) -> list[Translation]:
        parts = [text.split(_BREAK) for text in texts]
        prompts = [self._prompt(one, source, target) for one in parts]
        self._tell(prompts, [one[-1] for one in parts])

        def read(n: int, answer: str) -> str:
            text = _unquoted(answer, parts[n][-1])
            warning = warning_for(parts[n][-1], text, self.options)
            if warning is not None:
                raise InvalidAnswerError(f"The translation is suspicious: {warning}.", text)
            return text

        results = ask_checked(self._client, prompts, read)
        return [self._translation(one, part[-1]) for one, part in zip(results, parts, strict=True)]

    def _translation(self, checked: Checked[str], source: str) -> Translation:
        if checked.failed is not None:
            return Translation("", checked.failed, failed=True)
        if checked.value is None:
            return Translation("", "cut off")
        return Translation(checked.value, warning_for(source, checked.value, self.options))

    def stream(
        self,
        texts: Iterable[str],
        source: str,
        target: str,
        *,
        part: str = "",
        cache: Cache | None = None,
    ) -> Iterator[Translation]:
        """As `Translator.stream`; says at the end what was sent and what it cost."""
        yield from super().stream(texts, source, target, part=part, cache=cache)
        self._sum_up()

    def translate_spans(
        self, marked: Sequence[MarkedText], source: str, target: str
    ) -> list[list[Offsets | None] | None]:
        """As `SpanTranslator`: one request for all spans of a text."""
        prompts = [_spans_prompt(one, source, target) for one in marked]
        self._tell(prompts, [one.text[a:b] for one in marked for a, b in one.spans])

        def read(n: int, answer: str) -> list[Offsets | None]:
            return _found(marked[n], answer)

        results = ask_checked(self._client, prompts, read)
        places = [
            None if one.failed is not None else one.value or [None] * len(text.spans)
            for one, text in zip(results, marked, strict=True)
        ]
        said = [place for of_text in places if of_text is not None for place in of_text]
        if None in said:
            log.info("%d of %d spans are not in the translation", said.count(None), len(said))
        self._sum_up()
        return places

    # Requests ------------------------------------------------------------------------------

    def _prompt(self, sentences: Sequence[str], source: str, target: str) -> Prompt:
        *before, text = sentences
        told = [
            f"You translate from {languages.name(source)} into {languages.name(target)}.",
            "Answer with the translation of the last message and nothing else, in one line. Leave "
            "brackets where they belong.",
        ]
        if before:
            told.append(f"The sentences before it, not to be translated: {' '.join(before)}")
        terms = [f"{a} = {b}" for a, b in self._glossary if _occurs(a, text)]
        if terms:
            told.append(f"Use these translations: {'; '.join(terms)}")
        if self.options.instructions:
            told.append(self.options.instructions)
        return Prompt((("system", "\n".join(told)), ("user", text)))

    @cached_property
    def _glossary(self) -> list[tuple[str, str]]:
        """Terms and translations. Raises XltError for a line that is no pair."""
        if self.options.glossary is None:
            return []
        path = Path(self.options.glossary)
        entries = []
        for number, line in lines(path):
            if not line.strip():
                continue
            term, *translations = (cell.strip() for cell in line.split("\t"))
            if not term or len(translations) != 1 or not translations[0]:
                raise XltError(
                    "this is no pair of a term and its translation",
                    where=f"{path}:{number}",
                    fix="write both, with one tab between them",
                )
            entries.append((term, translations[0]))
        return entries

    @cached_property
    def _client(self) -> Client:
        return Client(self.options, where="projection.translator")

    def _tell(self, prompts: Sequence[Prompt], texts: Sequence[str]) -> None:
        """Say what these requests will take, before the first of them that are many."""
        share = approximate(texts) / max(1, len(prompts))
        expected = self._client.expect(prompts, [round(share)] * len(prompts))
        if expected.answers and not self._client.tally.asked:
            text = described(expected, self.options, about=True)
            log.info("%s: the next %d requests: %s", self.options.host, expected.answers, text)

    def _sum_up(self) -> None:
        if self._client.tally.asked:
            log.info("%s: %s", self.options.host, self._client.summary())


def _spans_prompt(marked: MarkedText, source: str, target: str) -> Prompt:
    told = (
        f"You are given a text in {languages.name(source)}, its translation into "
        f"{languages.name(target)}, and phrases of the text. Say what stands for each phrase in "
        "the translation, exactly as it is written there. Answer with a JSON object "
        '{"translations": [...]} that has one string for each phrase, in their order; an empty one '
        "for a phrase that is not translated."
    )
    asked = {
        "text": marked.text,
        "translation": marked.translation,
        "phrases": [marked.text[a:b] for a, b in marked.spans],
    }
    messages = (("system", told), ("user", json.dumps(asked, ensure_ascii=False)))
    return Prompt(messages, _SPANS)


def _found(marked: MarkedText, answer: str) -> list[Offsets | None]:
    """Where in the translation the phrases of an answer stand; two share characters only where
    their spans do in the text, and there rather than stand apart.

    Raises InvalidAnswerError for another number of them, and, with the places of the others, where
    one does not stand there.
    """
    phrases = read_object(answer).get("translations")
    if not isinstance(phrases, list) or not all(isinstance(one, str) for one in phrases):
        raise InvalidAnswerError("`translations` is no list of strings.")
    if len(phrases) != len(marked.spans):
        raise InvalidAnswerError(
            f"`translations` has {len(phrases)} strings, not {len(marked.spans)}."
        )
    places: list[Offsets | None] = [None] * len(phrases)
    missing = []
    # The longest first: a shorter one may stand within it, but then somewhere else, too.
    for n in sorted(range(len(phrases)), key=lambda n: (-len(phrases[n]), n)):
        phrase = phrases[n].strip()
        if not phrase:
            continue
        start, end = marked.spans[n]
        apart, together = list[Offsets](), list[Offsets]()
        for place, (a, b) in zip(places, marked.spans, strict=True):
            if place is not None:
                (apart if end <= a or b <= start else together).append(place)
        places[n] = find(phrase, marked.translation, apart, together)
        if places[n] is None:
            missing.append(phrase)
    if missing:
        named = ", ".join(map(repr, missing))
        raise InvalidAnswerError(f"The translation does not hold {named:.500}.", places)
    return places


def _occurs(term: str, text: str) -> bool:
    """Whether a word of the text begins so; endings may follow."""
    begins = "" if is_spaceless(term[0]) else r"(?<![\p{L}\p{N}])"
    return regex.search(begins + regex.escape(term.casefold()), text.casefold()) is not None


def _unquoted(answer: str, source: str) -> str:
    """An answer in one line, without quotation marks around it that the source has not.

    With such a mark in between, those at the ends may be of two quotations.
    """
    text: str = _SPACES.sub(" ", answer).strip()
    inside = text[1:-1]
    quoted = any(
        text[:1] == a and text[-1:] == b and a not in inside and b not in inside for a, b in _QUOTES
    )
    if inside and quoted and not any(source.startswith(pair[0]) for pair in _QUOTES):
        return inside.strip()
    return text
