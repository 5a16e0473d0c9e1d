"""Limits and choices of translators, with programs and models that answer as they are told."""

from __future__ import annotations

import logging
import sqlite3
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import ClassVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xlt.errors import XltError
from xlt.projection.translate import apertium, ctranslate2, guard, run
from xlt.projection.translate.apertium import Apertium, ApertiumOptions
from xlt.projection.translate.base import Translation, Translator, TranslatorOptions
from xlt.projection.translate.cache import Cache, key
from xlt.projection.translate.codes import SCHEMES, code_for, inner, scheme_of
from xlt.projection.translate.ctranslate2 import CTranslate2, CTranslate2Options
from xlt.projection.translate.neural import Direction, Neural, NeuralOptions, _halves, room_for
from xlt.projection.translate.sentences import detokenise
from xlt.projection.translate.transformers import Transformers, TransformersOptions

OPTIONS = TranslatorOptions()

# The guard ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "letters"),
    [("", 0), ("abc d", 4), ("é", 1), ("e\u0301", 1), ("北京", 6), ("ひカ", 6),
     ("한국", 4), ("አዲስ", 6), ("a\u200db", 2), ("1, 2", 3)],
)  # fmt: skip
def test_length_in_letters_of_an_alphabet(text: str, letters: int) -> None:
    assert guard.length(text) == letters


@given(st.integers(0, 90), st.integers(1, 200), st.sampled_from([1.5, 3.0]))
@settings(max_examples=150, deadline=None)
def test_the_limit_of_lengths(source: int, translation: int, most: float) -> None:
    """`max_ratio`, twice that for texts of at most 12 letters, and no limit for two such texts."""
    options = TranslatorOptions(max_ratio=most, max_repeats=1000)
    texts = ["".join("abcd"[n % 4] for n in range(size)) for size in (source, translation)]
    ratio = translation / max(1, source)
    limit = most * (1 + 12 / max(12, min(source, translation)))
    wrong = max(source, translation) >= 12 and not 1 / limit <= ratio <= limit
    expected = f"{ratio:.1f} times as long as the source" if wrong else None
    assert guard.warning_for(texts[0], texts[1], options) == expected


@pytest.mark.parametrize(
    ("text", "copied"),
    [("one two six ten abcd", True), ("one two six tenabcd", False), ("a b c d efghijkl", False),
     ("a b c d efghijklm", True), ("11 22 33 44 55 66 77 88", False)],
)  # fmt: skip
def test_a_copy_of_five_words_and_more_than_twelve_letters(text: str, copied: bool) -> None:
    assert guard.warning_for(text, text, OPTIONS) == ("not translated" if copied else None)
    assert guard.warning_for(text, text + "!", OPTIONS) is None


@given(st.lists(st.sampled_from("ab"), max_size=14), st.sampled_from([" ", ""]))
@settings(max_examples=150, deadline=None)
def test_repeats_in_a_row(words: list[str], space: str) -> None:
    def times(start: int, size: int) -> int:
        number = 1
        while words[start + number * size : start + (number + 1) * size] == words[
            start : start + size
        ] and start + (number + 1) * size <= len(words):
            number += 1
        return number

    most = [times(start, size) for size in range(1, 5) for start in range(len(words) - size + 1)]
    text = space.join(words)
    assert guard.repeats(text) == max(most, default=1)
    assert guard.warning_for("xyz " * (len(text) // 4 + 1), text, OPTIONS) in (
        None, "empty", f"repeats itself {guard.repeats(text)} times",
        f"{len(''.join(words)) / (3 * (len(text) // 4 + 1)):.1f} times as long as the source",
    )  # fmt: skip


def test_repeats_are_suspicious_where_the_source_has_fewer() -> None:
    three, four = "muy muy muy bueno, sí", "muy muy muy muy bueno"
    assert guard.warning_for("It is very good", three, OPTIONS) is None
    assert guard.warning_for("It is very good", four, OPTIONS) == "repeats itself 4 times"
    assert guard.warning_for("so so so good, yes", four, OPTIONS) == "repeats itself 4 times"
    assert guard.warning_for("so so so so good, yes", four, OPTIONS) is None
    laxer = TranslatorOptions(max_repeats=5)
    assert guard.warning_for("It is very good", four, laxer) is None


# A stream -------------------------------------------------------------------------------------


class Counting(Translator):
    """Upper case; how many sentences come at once."""

    def __init__(self) -> None:
        super().__init__(TranslatorOptions())
        self.sizes: list[int] = []

    def identity(self, source: str, target: str) -> str:
        return "counting"

    def translate(self, texts, source, target):
        self.sizes.append(len(texts))
        return [Translation(text.upper(), "odd" if "odd" in text else None) for text in texts]


def test_a_stream_takes_1024_texts_at_a_time_and_256_sentences(caplog) -> None:
    taken = 0

    def texts():
        nonlocal taken
        for n in range(1030):
            taken += 1
            yield f"Text {n}."

    translator = Counting()
    stream = translator.stream(texts(), "eng", "spa")
    assert next(stream) == Translation("TEXT 0.")
    assert taken == 1024
    with caplog.at_level(logging.INFO):
        assert len(list(stream)) == 1029
    assert translator.sizes == [256] * 4 + [6]
    assert not translator.online
    assert not translator.in_order
    (said,) = caplog.messages  # none of the others within 20 seconds
    assert said.startswith("1030 texts translated: 1030 sentences at ")
    assert said.endswith(" a second, 0 from the cache")


def test_progress_is_said_every_twenty_seconds(monkeypatch, caplog, tmp_path: Path) -> None:
    clock = iter(range(112, 999, 12))
    monkeypatch.setattr(run, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    monkeypatch.setattr(run, "_Progress", partial(run._Progress, began=100, said=100))
    monkeypatch.setattr(Counting, "chunk", 2)
    with Cache(tmp_path / "cache") as cache, caplog.at_level(logging.INFO):
        list(Counting().stream([f"Text {n}." for n in range(10)], "eng", "spa", cache=cache))
        assert [message.partition(",")[0] for message in caplog.messages] == [
            "0 texts translated: 4 sentences at 0.2 a second",  # after 24 seconds
            "0 texts translated: 8 sentences at 0.2 a second",
            "10 texts translated: 10 sentences at 0.1 a second",  # the end, after 72
        ]
        caplog.clear()
        list(Counting().stream(["Text 1.", "Text 99."], "eng", "spa", cache=cache))
    assert "2 texts translated: 1 sentences" in caplog.messages[-1]
    assert caplog.messages[-1].endswith("1 from the cache")


def test_a_text_is_as_suspicious_as_its_sentences_or_as_a_whole() -> None:
    def warned(text: str) -> str | None:
        (found,) = Counting().stream([text], "eng", "spa")
        return found.warning

    assert warned("This is odd. This is not.") == "odd"
    assert warned("ONE TWO THREE FOUR FIVE SIX.") == "not translated"
    assert warned("One two three four five six.") is None


# What was translated before -------------------------------------------------------------------


def test_the_cache_gives_what_was_put_whatever_it_is(tmp_path: Path) -> None:
    texts = [Translation("a", None), Translation("a", ""), Translation("", "b"), Translation("ab")]
    given_texts = {key("t", "eng", "spa", str(n)): one for n, one in enumerate(texts)}
    with Cache(tmp_path / "x" / "y" / "cache") as cache:
        cache.put({**given_texts, b"failed": Translation("no", failed=True)})
        assert cache.get([*given_texts, b"failed", b"other"]) == given_texts
        assert cache.get([]) == {}
    with Cache(tmp_path / "x" / "y" / "cache") as cache:
        assert cache.get(list(given_texts)) == given_texts


def test_the_cache_is_in_the_cache_folder(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("XLT_CACHE", str(tmp_path))
    with Cache() as cache:
        assert cache.path == tmp_path / "translations.sqlite"
        assert cache.path.is_file()


@pytest.mark.parametrize(
    "change",
    ["text = 'other'", "warning = 'other'", "warning = NULL", "seal = NULL", "text = x'01'"],
)
def test_a_row_that_is_not_as_it_was_put_is_not_there(tmp_path: Path, change: str, caplog) -> None:
    with Cache(tmp_path / "cache") as cache:
        cache.put({b"1": Translation("one", ""), b"2": Translation("two", "w")})
    with sqlite3.connect(tmp_path / "cache") as database:
        database.execute(f"UPDATE translations SET {change} WHERE key = x'31'")
    database.close()
    with Cache(tmp_path / "cache") as cache:
        assert cache.get([b"1", b"2"]) == {b"2": Translation("two", "w")}
    assert "translations are damaged (1)" in caplog.text


@pytest.mark.parametrize(
    ("code", "what"),
    [(sqlite3.SQLITE_FULL, "disk is full"), (sqlite3.SQLITE_IOERR_READ, "cannot be used"),
     (sqlite3.SQLITE_CORRUPT_INDEX, "is damaged"), (sqlite3.SQLITE_NOTADB, "is damaged"),
     (sqlite3.SQLITE_BUSY_SNAPSHOT, "other processes have"), (None, "cannot be used")],
)  # fmt: skip
def test_why_the_cache_fails(tmp_path: Path, code: int | None, what: str) -> None:
    error = sqlite3.OperationalError("it failed")
    if code is not None:
        error.sqlite_errorcode = code
    with Cache(tmp_path / "cache") as cache:
        assert what in str(cache._explain(error))


# Codes ----------------------------------------------------------------------------------------


def test_two_codes_make_a_family() -> None:
    assert scheme_of(["<2en>", "<pad>", "x"]) is None
    assert scheme_of(["<2en>", "<2es>", "x"]).name == "MADLAD"
    assert scheme_of(["<2qq>", "<2es>", "x"]) is None, "there is no such language"
    assert scheme_of([">>eng<<", ">>spa_Latn<<"]).name == "OPUS-MT"
    assert scheme_of(["en_XX", "es_XX"]).name == "mBART"
    assert scheme_of(["__en__", "__es__"]).name == "M2M100"
    assert [scheme.forced for scheme in SCHEMES] == [True, True, True, False, False]
    assert inner("__en__", SCHEMES[1]) == "en"
    assert inner("eng_Latn", SCHEMES[0]) == "eng_Latn"
    assert inner("en_XX", SCHEMES[2]) == "en_XX"


def test_the_code_of_a_language_in_its_usual_script() -> None:
    nllb, opus = SCHEMES[0], SCHEMES[3]
    assert code_for(["srp_Latn", "srp_Cyrl"], nllb, "srp", where="") == "srp_Cyrl"
    assert code_for(["srp_Xxxx", "srp_Latn"], nllb, "srp", where="") == "srp_Latn", "the first"
    assert code_for([">>hin_Deva<<", ">>hin<<"], opus, "hin", where="") == ">>hin_Deva<<"
    # The language itself, before one that means the same to a model.
    assert code_for(["zsm_Latn", "msa_Arab"], nllb, "msa", where="") == "msa_Arab"
    known = (
        "afr aka ast aym bam bem bos cat ceb ces cym dan deu ekk eng epo eus ewe fao fin fra gle "
        "glg guj hat hau hrv hun ibo ilo ind"
    )
    many = [f"{code}_Latn" for code in known.split()]
    with pytest.raises(XltError, match=r"no code for Wolof \(wol\)") as error:
        code_for(many, nllb, "wol", where="here")
    assert str(error.value.fix).count(",") == 29
    assert " …; or name" in str(error.value.fix)
    with pytest.raises(XltError) as error:
        code_for(many[:30], nllb, "wol", where="here")
    assert "…" not in str(error.value.fix)


# Neural translators ---------------------------------------------------------------------------


class Letters:
    """A tokenizer of single letters, for one direction; `model_max_length` as it is set."""

    model_max_length = 20
    added_tokens_encoder: ClassVar[dict[str, int]] = {}
    pad_token_id = 0

    def get_vocab(self) -> dict[str, int]:
        return {chr(n): n for n in range(97, 123)}

    def __call__(self, text: str, **options: object) -> dict[str, list[int]]:
        return {"input_ids": [ord(letter) for letter in text if letter != " "]}

    def batch_decode(self, rows: list[list[int]], skip_special_tokens: bool) -> list[str]:
        assert skip_special_tokens
        return ["".join(map(chr, row)) for row in rows]


class Echo(Neural):
    """Writes its input three times. `batches`: the lengths of what came together."""

    def __init__(self, **options: object) -> None:
        super().__init__(NeuralOptions(model="none", **options))
        self.tokenizer = Letters()
        self.batches: list[list[int]] = []

    backbone = SimpleNamespace(config=SimpleNamespace(max_position_embeddings=30), content="c")

    def generate(self, batch, direction):
        self.batches.append([len(ids) for ids in batch])
        return [list(ids) * 3 for ids in batch]


def test_an_output_is_at_most_twice_as_long_and_16_subwords() -> None:
    assert [room_for(n) for n in (0, 1, 10)] == [16, 18, 36]
    text = "abcdefghijklmnopqr"
    (short, long) = Echo().translate(["ab", text], "eng", "spa")
    assert short.text == "ab" * 3
    assert long.text == (text * 3)[: 2 * 18 + 16]


def test_batches_share_their_subwords_among_the_beams() -> None:
    texts = ["abcd"] * 5
    echo = Echo(batch_tokens=17, beams=2)
    echo.translate(texts, "eng", "spa")
    assert echo.batches == [[4, 4], [4, 4], [4]]
    alone = Echo(batch_tokens=1, beams=4)
    alone.translate(texts, "eng", "spa")
    assert alone.batches == [[4]] * 5


def test_the_limit_is_the_lowest_of_all() -> None:
    assert Echo().limit == 20
    echo = Echo()
    echo.tokenizer.model_max_length = 10**30
    assert echo.limit == 30
    echo = Echo()
    echo.tokenizer.model_max_length = 10**30
    echo.backbone = SimpleNamespace(config=SimpleNamespace(max_position_embeddings=None))
    assert echo.limit == 512
    assert echo.longest_output([[1] * 10, [1]]) == 36
    assert echo.longest_output([[1] * 400]) == 510
    assert Echo().longest_output([[1] * 10]) == 18


def test_an_input_that_is_too_long_is_cut_until_it_fits() -> None:
    echo = Echo()
    text = " ".join(["abcd"] * 11)  # 44 subwords where 20 are taken
    parts = echo._within_limit(text, Direction())
    assert [len(part) for part in parts] == [8, 12, 12, 12] or max(map(len, parts)) <= 20
    assert [n for part in parts for n in part] == [ord(c) for c in "abcd" * 11]
    exact, longer = "abcdefghijklmnopqrst", "abcdefghijklmnopqrstu"
    assert len(echo._within_limit(exact, Direction())) == 1
    assert [len(part) for part in echo._within_limit(longer, Direction())] == [10, 11]
    (found,) = echo.translate([longer], "eng", "spa")
    assert found.text == longer[:10] * 3 + " " + longer[10:] * 3


@pytest.mark.parametrize(
    ("text", "halves"),
    [("a, b, c, d", ("a, b,", "c, d")), ("aaa bb, c ddddd eeeee", ("aaa bb,", "c ddddd eeeee")),
     ("aa (bbb) cc", ("aa", "(bbb) cc")), ("一二，三四五", ("一二，", "三四五")),
     ("ab cd ef gh", ("ab cd", "ef gh")), (", abcd", (",", "abcd")), ("abcde", ("ab", "cde")),
     ("aaaaaaaa b", ("aaaaaaaa", "b")), (" ", None), ("", None), ("a", None)],
)  # fmt: skip
def test_halves(text: str, halves: tuple[str, str] | None) -> None:
    assert _halves(text) == halves


@pytest.mark.parametrize("error", [MemoryError("full")])
def test_a_batch_that_does_not_fit_into_memory_is_halved(monkeypatch, error) -> None:
    translator = Transformers(TransformersOptions(model="none", beams=3))
    sizes = []

    def generate(batch, direction):
        sizes.append(len(batch))
        if len(batch) > 2 or 9 in batch[0]:
            raise error
        return [[n + 1 for n in ids] for ids in batch]

    monkeypatch.setattr(translator, "_generate", generate)
    batch = [[1], [2], [3], [4], [5]]
    assert translator.generate(batch, Direction()) == [[2], [3], [4], [5], [6]]
    assert sizes == [5, 2, 3, 1, 2]
    with pytest.raises(XltError, match="translating a sentence of 2 subwords") as caught:
        translator.generate([[9, 9]], Direction())
    assert caught.value.fix.startswith("lower it (now 3)")


# CTranslate2 ----------------------------------------------------------------------------------


class Names(Letters):
    def convert_ids_to_tokens(self, ids: list[int]) -> list[str]:
        return [chr(n) for n in ids]

    def convert_tokens_to_ids(self, subwords: list[str]) -> list[int]:
        return [ord(one[0]) for one in subwords]


@pytest.fixture
def converted(monkeypatch):
    """The translator with a package that remembers what it is told and answers backwards."""
    told: dict[str, object] = {}

    class Model:
        def __init__(self, folder: str, **options: object) -> None:
            told.update(folder=folder, **options)

        def translate_batch(self, batch, **options):
            told.update(batch=batch, **options)
            begin = [prefix[0] for prefix in options["target_prefix"] or ()] or [""] * len(batch)
            return [
                SimpleNamespace(hypotheses=[[x for x in (first, *one[::-1]) if x], ["worse"]])
                for first, one in zip(begin, batch, strict=True)
            ]

    package = SimpleNamespace(Translator=Model, get_cuda_device_count=lambda: told.get("gpus", 0))
    monkeypatch.setattr(ctranslate2, "_package", lambda: package)

    def make(**options: object) -> CTranslate2:
        made = CTranslate2(CTranslate2Options(model="folder", **options))
        made.tokenizer = Names()
        return made

    return make, told


def test_ctranslate2_is_told_what_it_needs(converted) -> None:
    make, told = converted
    batch = [[97, 98, 99], [100]]
    assert make().generate(batch, Direction()) == [[99, 98, 97], [100]]
    # 18 is what the tokenizer's limit leaves of 2 · 3 + 16.
    assert told == {
        "folder": "folder", "device": "cpu", "compute_type": "default",
        "batch": [["a", "b", "c"], ["d"]], "target_prefix": None, "beam_size": 4,
        "max_input_length": 0, "max_decoding_length": 18,
    }  # fmt: skip
    told["gpus"] = 1
    forced = make(beams=2, precision="int8").generate(batch, Direction(forced="xx"))
    assert forced == [[120, 99, 98, 97], [120, 100]]
    assert told["target_prefix"] == [["xx"], ["xx"]]
    assert (told["device"], told["compute_type"], told["beam_size"]) == ("cuda", "int8", 2)


def test_ctranslate2_has_begun_as_it_was_told(converted, monkeypatch) -> None:
    make, _ = converted
    made = make()
    monkeypatch.setattr(
        made._translator, "translate_batch",
        lambda batch, **options: [SimpleNamespace(hypotheses=[["a", "b"]])],
    )  # fmt: skip
    assert made.generate([[97]], Direction()) == [[97, 98]]
    assert made.generate([[97]], Direction(forced="a")) == [[97, 98]]
    with pytest.raises(AssertionError, match="does not begin with b"):
        made.generate([[97]], Direction(forced="b"))


def test_positions_are_those_of_the_model_that_was_converted(converted) -> None:
    make, _ = converted
    assert make().positions() == 512
    named = make(tokenizer="t")
    named.backbone = SimpleNamespace(config=SimpleNamespace(max_position_embeddings=77))
    assert named.positions() == 77


# Apertium -------------------------------------------------------------------------------------


def test_apertium_has_time_for_what_it_is_given(monkeypatch) -> None:
    asked = []

    def call(texts, name, flags, seconds):
        asked.append((len(texts), flags, seconds))
        if "bad" in texts:
            return "crashed"
        return [text.upper() if flags else f"*{text}" for text in texts]

    monkeypatch.setattr(apertium, "_call", call)
    monkeypatch.setattr(apertium, "mode", lambda source, target: "eng-spa")
    translator = Apertium(ApertiumOptions(timeout=25.6))
    found = translator.translate(["one", "two", "bad"], "eng", "spa")
    assert found == [
        Translation("ONE", "1 of 1 words unknown"),
        Translation("TWO", "1 of 1 words unknown"),
        Translation("", "apertium crashed", failed=True),
    ]
    # 10 seconds to start, and a tenth of a second for each of 256 sentences.
    assert [(number, flags) for number, flags, _ in asked] == [
        (3, ()), (1, ()), (2, ()), (1, ()), (1, ()), (2, ("-u",)),
    ]  # fmt: skip
    assert [seconds for *_, seconds in asked] == pytest.approx([10.3, 10.1, 10.2, 10.1, 10.1, 10.2])
    assert translator.translate([], "eng", "spa") == []


@pytest.mark.parametrize(
    ("marked", "source", "limit", "warning"),
    [
        ("*a b", "a b", 0.5, None),
        ("*a *b c", "a b c", 0.5, "2 of 3 words unknown"),
        ("*a b", "a b", 0.4, "1 of 2 words unknown"),
        ("*a *b", "*a b", 0.5, None),  # one mark is the text's own
        ("", "", 0.0, None),
        ("a@b 3*4 #c", "x y z", 0.3, "1 of 3 words unknown"),
    ],
)
def test_unknown_words(marked: str, source: str, limit: float, warning: str | None) -> None:
    plain = Translation("plain")
    assert apertium._checked(plain, source, marked, limit) == Translation("plain", warning)
    failed = Translation("", "crashed", failed=True)
    assert apertium._checked(failed, source, marked, limit) is failed


# Words to text --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "language", "text"),
    [
        (["“", "Go", "”", ",", "he", "said", "(", "twice", ")", "."], "eng",
         "“Go”, he said (twice)."),
        (["``", "No", "''", "and", '"', "yes", '"'], "eng", '"No" and "yes"'),
        (["", "a", " ", "b  c", "!"], "eng", "a b c!"),
        (["他", "说", "OK", "3", "天"], "zho", "他说OK 3天"),
        (["她", "Ann", "和", "Bob"], "jpn", "她Ann和Bob"),
        (["ca", "n't", "'s", "s'", "d'", "accord"], "fra", "can't's s'd'accord"),
    ],
)  # fmt: skip
def test_words_as_running_text(words: list[str], language: str, text: str) -> None:
    assert detokenise(words, language) == text
