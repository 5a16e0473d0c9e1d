"""What is written under a name with `.part` goes through no link that lies there already."""

from __future__ import annotations

import pytest

from xlt.display import Page
from xlt.files import publishing, write_text
from xlt.runs.predict import open_output
from xlt.tasks.ner import NER


def by_output(path):
    with open_output(str(path)) as stream:
        stream.write("new")


def by_page(path):
    with Page(NER(), path):
        pass


def by_publishing(path):
    with publishing(path) as part:
        part.write_text("new")


@pytest.mark.parametrize(
    "write", [by_output, by_page, by_publishing, lambda path: write_text(path, "new")]
)
@pytest.mark.parametrize("to", ["precious", "missing", "."])
def test_a_planted_link_is_not_followed(tmp_path, write, to):
    (tmp_path / "precious").write_text("precious")
    folder = tmp_path / "shared"
    folder.mkdir()
    (folder / "out.txt.part").symlink_to(tmp_path / to)
    write(folder / "out.txt")
    assert (tmp_path / "precious").read_text() == "precious"
    assert not (tmp_path / "missing").exists()
    assert (folder / "out.txt").is_file()
    assert not (folder / "out.txt").is_symlink()
    assert [path.name for path in folder.iterdir()] == ["out.txt"]
