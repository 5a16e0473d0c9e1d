"""Translation: streams, the cache, the guard, and translators that misbehave."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from time import sleep

import pytest
from filelock import FileLock

from xlt.data import text_store
from xlt.data.text_store import of_one_machine
from xlt.document import Text
from xlt.errors import XltError
from xlt.projection.align.given import Given as Links
from xlt.projection.align.given import GivenOptions as LinksOptions
from xlt.projection.translate import sentences
from xlt.projection.translate.base import Translation, Translator, TranslatorOptions
from xlt.projection.translate.cache import Cache, key
from xlt.projection.translate.given import Given, GivenOptions
from xlt.projection.translate.guard import repeats, warning_for
from xlt.projection.translate.run import split_words, translate_texts


class Shout(Translator):
    """Upper case, and a record of what it was asked."""

    chunk = 2

    def __init__(self, options: TranslatorOptions | None = None) -> None:
        super().__init__(options or TranslatorOptions())
        self.asked: list[str] = []

    def identity(self, source: str, target: str) -> str:
        return "shout"

    def translate(self, texts: Sequence[str], source: str, target: str) -> list[Translation]:
        self.asked += texts
        return [
            Translation("", "it crashed", failed=True) if "crash" in t else Translation(t.upper())
            for t in texts
        ]


def run(translator: Translator, texts: Sequence[str], cache: Cache | None = None) -> list[str]:
    return [one.text for one in translator.stream(texts, "eng", "spa", cache=cache)]


def test_texts_are_split_joined_and_translated_once() -> None:
    shout = Shout()
    texts = ["It rains. It rains.", "", "It rains.", "Mr. Smith sleeps.\nHe does."]
    assert run(shout, texts) == [
        "IT RAINS. IT RAINS.", "", "IT RAINS.", "MR. SMITH SLEEPS. HE DOES.",
    ]  # fmt: skip
    assert shout.asked == ["It rains.", "Mr. Smith sleeps.", "He does."]


def test_without_splitting_a_text_goes_as_one_line() -> None:
    shout = Shout(TranslatorOptions(sentences=False))
    assert run(shout, ["One.  Two.\nThree."]) == ["ONE.  TWO. THREE."]
    assert shout.asked == ["One.  Two. Three."]


def test_what_was_translated_before_an_interruption_is_kept(tmp_path: Path) -> None:
    texts = [f"Number {n}." for n in range(7)]

    class Dies(Shout):
        def translate(self, some: Sequence[str], source: str, target: str) -> list[Translation]:
            if "Number 4." in some:
                raise KeyboardInterrupt
            return super().translate(some, source, target)

    with Cache(tmp_path / "cache") as cache, pytest.raises(KeyboardInterrupt):
        run(Dies(), texts, cache)
    again = Shout()
    with Cache(tmp_path / "cache") as cache:
        assert run(again, texts, cache) == [t.upper() for t in texts]
        assert again.asked == texts[4:]
        run(again, texts, cache)
    assert again.asked == texts[4:]


def test_a_failure_is_said_and_tried_again(tmp_path: Path) -> None:
    shout = Shout()
    with Cache(tmp_path / "cache") as cache:
        for _ in range(2):
            found = list(shout.stream(["A crash. Fine."], "eng", "spa", cache=cache))
            assert found == [Translation("FINE.", "it crashed", failed=True)]
    assert shout.asked == ["A crash.", "Fine.", "A crash."]


def test_the_stream_reads_no_more_than_it_needs() -> None:
    read = []

    def endless():
        for n in range(10**9):
            read.append(n)
            yield f"text {n % 3000}"

    stream = Shout().stream(endless(), "eng", "spa")
    assert next(stream).text == "TEXT 0"
    assert len(read) <= 2000


def test_a_full_disk_keeps_what_was_done(tmp_path: Path) -> None:
    path = tmp_path / "cache"
    with Cache(path) as cache:
        pages = cache._database.execute("PRAGMA page_count").fetchone()[0]
        cache._database.execute(f"PRAGMA max_page_count={pages + 3}")
        texts = [f"{n} " + "x" * 900 for n in range(40)]
        with pytest.raises(XltError, match="disk is full") as error:
            run(Shout(), texts, cache)
        assert error.value.fix
    again = Shout()
    with Cache(path) as cache:
        assert run(again, texts, cache) == [t.upper() for t in texts]
    assert 0 < len(again.asked) < len(texts)


def test_a_damaged_cache_is_named(tmp_path: Path) -> None:
    path = tmp_path / "cache"
    path.write_bytes(b"this is no database" * 100)
    with pytest.raises(XltError, match="damaged"):
        Cache(path)
    with pytest.raises(XltError, match="cannot be used"):
        Cache(tmp_path)


def test_a_translation_that_was_damaged_is_made_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "cache"
    texts = [f"Sentence number {n}." for n in range(5)]
    with Cache(path) as cache:
        run(Shout(), texts, cache)
    content = path.read_bytes()
    path.write_bytes(content.replace(b"NUMBER 3", b"NUMBER 8"))
    again = Shout()
    with Cache(path) as cache:
        assert run(again, texts, cache) == [t.upper() for t in texts]
        assert again.asked == [texts[3]]
        assert "translations are damaged (1)" in caplog.text
        run(again, texts, cache)
    assert again.asked == [texts[3]]


def test_a_cache_of_an_older_xlt_is_used(tmp_path: Path) -> None:
    path = tmp_path / "cache"
    shout = Shout()
    filed = key(shout.identity("eng", "spa"), "eng", "spa", "Old.")
    with sqlite3.connect(path) as database:
        database.execute(
            "CREATE TABLE translations (key BLOB PRIMARY KEY, text TEXT NOT NULL, warning TEXT) "
            "WITHOUT ROWID"
        )
        database.execute("INSERT INTO translations VALUES (?, ?, ?)", (filed, "ALT.", None))
    database.close()
    for _ in range(2):
        with Cache(path) as cache:
            assert run(shout, ["Old."], cache) == ["ALT."]
    assert shout.asked == []


def test_a_transaction_is_whole(tmp_path: Path) -> None:
    with Cache(tmp_path / "cache") as cache:
        with pytest.raises(XltError):
            cache.put({b"1": Translation("a"), b"2": Translation(object())})  # type: ignore[arg-type]
        assert cache.get([b"1", b"2"]) == {}
        cache.put({key("t", "a", "b", str(n)): Translation(str(n), "w") for n in range(1200)})
        found = cache.get([key("t", "a", "b", str(n)) for n in range(2000)])
    assert len(found) == 1200
    assert set(found.values()) == {Translation(str(n), "w") for n in range(1200)}
    with sqlite3.connect(tmp_path / "cache") as database:
        assert database.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_many_write_at_once(tmp_path: Path) -> None:
    """From the very beginning, when there is no file yet."""
    for number in range(5):
        path, ready = tmp_path / str(number), Barrier(8)

        def work(own: int, path: Path = path, ready: Barrier = ready) -> None:
            ready.wait()
            with Cache(path) as cache:
                for n in range(0, 40, 4):
                    some = [key("t", "a", "b", str(n + k + own % 2)) for k in range(4)]
                    cache.put({one: Translation(str(own)) for one in some})

        with ThreadPoolExecutor(8) as threads:
            list(threads.map(work, range(8)))
        with Cache(path) as cache:
            assert len(cache.get([key("t", "a", "b", str(n)) for n in range(41)])) == 41


def test_of_two_translations_of_a_text_the_first_is_kept_and_used(tmp_path: Path) -> None:
    class Slow(Shout):
        def translate(self, some: Sequence[str], source: str, target: str) -> list[Translation]:
            with Cache(tmp_path / "cache") as other:
                other.put({filed: Translation("quicker")})
            return super().translate(some, source, target)

    filed = key(Slow().identity("eng", "spa"), "eng", "spa", "One.")
    with Cache(tmp_path / "cache") as cache:
        for _ in range(2):
            assert run(Slow(), ["One.", "A crash.", "Two."], cache) == ["quicker", "", "TWO."]
        found = cache.put({filed: Translation("later"), b"x": Translation("", failed=True)})
        assert found == {filed: Translation("quicker"), b"x": Translation("", failed=True)}
        damaged = "UPDATE translations SET text = 'quacker' WHERE key = ?"
        cache._database.execute(damaged, (filed,))
        cache._database.commit()
        assert cache.put({filed: Translation("later")}) == {filed: Translation("later")}
        assert cache.get([filed]) == {filed: Translation("later")}


@pytest.mark.parametrize(
    ("mounted", "alone"),
    [
        ("/ ext4", True),
        ("/ ext4\n{} nfs4", False),
        ("/ nfs\n{} xfs", True),
        ("/ fuse.sshfs\n{}/other xfs", False),
        ("/ ext4\n{}/a\\040b nfs", False),
        ("{} xfs\n{} lustre", False),
        ("", False),
        (None, True),  # not Linux
    ],
)
def test_which_disk_a_cache_is_on(tmp_path: Path, mounted: str | None, alone: bool) -> None:
    mounts = tmp_path / "mounts"
    if mounted is not None:
        lines = mounted.format(tmp_path, tmp_path).splitlines()
        mounts.write_text("".join(f"device {line} rw 0 0\n" for line in lines))
    assert of_one_machine(tmp_path / "a b" / "cache", mounts) == alone


def test_memory_is_shared_on_a_disk_of_this_machine_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else there is a rollback journal, also of a file that had another; and that it keeps."""
    for alone, mode in ((True, b"wal"), (True, b"wal"), (False, b"delete"), (True, b"delete")):
        monkeypatch.setattr(text_store, "of_one_machine", lambda path, alone=alone: alone)
        shout = Shout()
        with Cache(tmp_path / "cache") as cache:
            assert cache._database.execute("PRAGMA journal_mode").fetchone() == (mode,)
            assert run(shout, ["One."], cache) == ["ONE."]
    assert not shout.asked


def test_a_cache_that_another_keeps_open_is_not_given_another_journal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(text_store, "_PATIENCE", 0.2)
    with Cache(tmp_path / "cache") as cache:
        cache.get([b"x"])
        monkeypatch.setattr(text_store, "of_one_machine", lambda path: False)
        with pytest.raises(XltError, match="have the cache of translations open") as caught:
            Cache(tmp_path / "cache")
    assert caught.value.fix


def test_one_that_waits_for_its_turn_is_told_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(text_store, "_PATIENCE", 0.1)
    with FileLock(tmp_path / "cache.lock"), pytest.raises(XltError, match="have the cache") as told:
        Cache(tmp_path / "cache")
    assert told.value.fix


def test_a_journal_changes_as_soon_as_others_have_let_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One has it open, others look at the same time: they wait, and all of them get it."""
    monkeypatch.setattr(text_store, "of_one_machine", lambda path: True)
    ready = Barrier(5)

    def work() -> bytes:
        ready.wait()
        with Cache(tmp_path / "cache", shared=True) as cache:
            cache.put({b"x": Translation("y")})
            (mode,) = cache._database.execute("PRAGMA journal_mode").fetchone()
            return bytes(mode)

    with ThreadPoolExecutor(4) as threads:
        with Cache(tmp_path / "cache") as cache:
            cache.get([b"x"])
            working = [threads.submit(work) for _ in range(4)]
            ready.wait()
            sleep(0.2)
            assert not any(one.done() for one in working)
        assert [one.result() for one in working] == [b"delete"] * 4


def test_the_key_tells_everything_apart() -> None:
    variants = [("t", "eng", "spa", "x"), ("u", "eng", "spa", "x"), ("t", "spa", "eng", "x")]
    assert len({key(*one) for one in variants}) == 3


@pytest.mark.parametrize(
    ("source", "translation", "warning"),
    [
        ("The committee met in Brussels.", "El comité se reunió en Bruselas.", None),
        ("The committee met in Brussels.", "委员会在布鲁塞尔开会。", None),
        ("The committee met in Brussels.", "समिति की बैठक ब्रसेल्स में हुई।", None),
        ("The committee met in Brussels.", "  ", "empty"),
        ("", "", None),
        ("The committee met in Brussels.", "Sí.", "times as long"),
        (
            "The committee met.",
            "El comité se reunió " + "y habló con todos los demás " * 5,
            "times",
        ),
        ("The committee met in Brussels.", "The committee met in Brussels.", "not translated"),
        ("Ana Kovač", "Ana Kovač", None),
        ("It was very good, as I said.", "Era muy muy muy muy bueno, dije.", "repeats itself 4"),
        ("It was very very very very good.", "Era muy muy muy muy bueno.", None),
        ("Tora, tora, tora.", "Tora, tora, tora.", None),
    ],
)
def test_the_guard(source: str, translation: str, warning: str | None) -> None:
    found = warning_for(source, translation, TranslatorOptions())
    assert found is None if warning is None else warning in (found or "")


def test_repeats() -> None:
    assert repeats("") == repeats("a") == repeats("a b c") == 1
    assert repeats("a a a") == 3
    assert repeats("a b a b a b c") == 3
    assert repeats("哈哈哈哈哈") == 5
    assert repeats("a b c d a b c d") == 2


@pytest.mark.parametrize(
    ("words", "language", "text"),
    [
        ('He said : " I do n\'t know " .', "eng", 'He said: "I don\'t know".'),
        ("Mr President ( in Spanish ) , 5 % of it", "eng", "Mr President (in Spanish), 5% of it"),
        ("l' homme d’ État", "fra", "l'homme d’État"),
        ("¿ Qué pasa ?", "spa", "¿Qué pasa?"),
        ("他 在 New York 工作 。", "zho", "他在New York工作。"),
        ("", "eng", ""),
    ],
)
def test_words_become_text(words: str, language: str, text: str) -> None:
    assert sentences.detokenise(words.split(), language) == text


def test_sentences_of_scripts_without_spaces_are_joined_without() -> None:
    assert sentences.join(["你好。", "", "再见。"], "zho") == "你好。再见。"
    assert sentences.join(["Hola.", "", "Adiós."], "spa") == "Hola. Adiós."


def test_texts_in_texts_with_words_out() -> None:
    texts = [Text.from_words(["It", "rains", ".", "Ann", "sleeps", "."]), Text("")]
    found = list(translate_texts(Shout(), texts, "eng", "spa"))
    assert found[0].text.surface == "IT RAINS. ANN SLEEPS."
    assert found[0].text.words == ("IT", "RAINS", ".", "ANN", "SLEEPS", ".")
    assert found[1].text == Text("")


def test_a_surface_is_translated_as_it_is_written() -> None:
    text = Text("It  rains ( 2 ) ,no\nmatter.", ("It", "rains"), ((0, 2), (4, 9)))
    (found,) = translate_texts(Shout(), [text], "eng", "spa")
    # But for line breaks: translators read lines.
    assert found.text.surface == "IT  RAINS ( 2 ) ,NO MATTER."


def given(tmp_path: Path, content: str, originals: str | None = None) -> Given:
    (tmp_path / "eng-spa.train").write_text(content, encoding="utf-8")
    options = {"file": str(tmp_path / "{source}-{target}.{part}")}
    if originals is not None:
        (tmp_path / "originals").write_text(originals, encoding="utf-8")
        options["originals"] = str(tmp_path / "originals")
    return Given(GivenOptions(**options))


def test_given_translations_come_line_by_line(tmp_path: Path) -> None:
    translator = given(tmp_path, "Uno. Dos.\n\nTres\n")
    found = list(translator.stream(["One. Two.", "Nothing", "Three"], "eng", "spa", part="train"))
    assert [one.text for one in found] == ["Uno. Dos.", "", "Tres"]
    assert [one.warning for one in found] == [None, "empty", None]


def test_given_translations_are_of_no_other_text(tmp_path: Path) -> None:
    with pytest.raises(XltError, match="of train, dev and test data; this is other text") as error:
        list(given(tmp_path, "uno\n").stream(["a"], "eng", "spa"))
    assert error.value.fix
    links = Links(LinksOptions(file=str(tmp_path / "{part}.links")))
    with pytest.raises(XltError, match="this is other text"):
        list(links.stream([], "eng", "spa"))


@pytest.mark.parametrize(("texts", "line"), [(["a"], 2), (["a", "b", "c"], 3)])
def test_given_translations_are_counted(tmp_path: Path, texts: list[str], line: int) -> None:
    translator = given(tmp_path, "uno\ndos\n")
    with pytest.raises(XltError) as error:
        list(translator.stream(texts, "eng", "spa", part="train"))
    assert str(error.value.where).endswith(f"eng-spa.train:{line}")


def test_given_translations_found_by_text(tmp_path: Path) -> None:
    translator = given(tmp_path, "uno\ndos\n", "One .\nTwo\n")
    found = translator.stream(["Two", "One.", "Two"], "eng", "spa", part="train")
    assert [one.text for one in found] == ["dos", "uno", "dos"]
    with pytest.raises(XltError, match="no translation of 'Three'"):
        list(translator.stream(["Three"], "eng", "spa", part="train"))
    for originals, line in (("One\n", 2), ("One\nTwo\nThree\n", 3)):
        with pytest.raises(XltError) as error:
            list(given(tmp_path, "1\n2\n", originals).stream(["One"], "eng", "spa", part="train"))
        assert str(error.value.where).endswith(f":{line}")


def test_a_given_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(XltError, match="no such file"):
        list(given(tmp_path, "uno\n").stream(["One"], "eng", "fra", part="train"))


@pytest.mark.parametrize(
    ("surface", "words"),
    [
        ("10\u00a0000 villes", ("10\u00a0000", "villes")),
        ("  «\u202fKano\u202f»\u2028x  \t ici\n", ("«\u202fKano\u202f»\u2028x", "ici")),
        ("a\x1cb \x1f", ("a\x1cb", "\x1f")),
        ("", ()),
    ],
)
def test_words_between_spaces(surface: str, words: tuple[str, ...]) -> None:
    text = split_words(surface, "fra", rules=False)
    assert text.words == words
    assert [surface[start:end] for start, end in text.offsets] == [*words]
