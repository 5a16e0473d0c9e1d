"""The code blocks of the README and the docs run as they stand, and print what is shown of them."""

from __future__ import annotations

import os
import re
from pathlib import Path

import forked
import pytest
from readme import execute, execute_notebook

from scripts.docs import notebooks
from scripts.docs.blocks import Block, as_shown, blocks, commands

ROOT = Path(__file__).parents[2]
PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md")),
    *(ROOT / "xlt" / name / "README.md" for name in ("mini", "sample")),
    *sorted((ROOT / "docs").rglob("*.md")),
]
WITH_BLOCKS = [page for page in PAGES if list(blocks(page.read_text(encoding="utf-8")))]

WITH_WHAT_IS_INSTALLED = {"README.md"}
"""Of the other pages, too, where XLT_THOROUGH is set: a fresh Python for each command."""

EXAMPLE = """\
Words.

<!-- file: plugin/a.yaml -->
```yaml
a: 1
```

<!-- run -->
```console
$ grep -c a plugin/a.yaml \\
    | tee found
1
$ test "$(cat found)" = 1
```

<!-- fails: 3 -->
```console
$ echo "not found" >&2; exit 3
not …
```

<!-- run -->

```python
import xlt
assert open("found").read() == "1\\n"
```

<!-- skip: takes an hour -->
```console
$ false
```

```text
not code
```
"""


SELDOM = {
    "CONTRIBUTING.md",
    *(f"docs/{name}.md" for name in ("annotation-tools", "commands", "data", "own-data", "paper")),
    *(f"docs/{name}.md" for name in ("source-languages", "storage", "tasks/classification")),
}
"""Pages whose commands take long and have tests of their own."""


@pytest.fixture(scope="module")
def forked_commands():
    with forked.installed() as folder:
        yield folder


@pytest.mark.slow
@pytest.mark.parametrize("page", WITH_BLOCKS, ids=lambda path: str(path.relative_to(ROOT)))
def test_page(page, tmp_path, request):
    name = str(page.relative_to(ROOT))
    if name in SELDOM and "XLT_THOROUGH" not in os.environ:
        pytest.skip("slow; XLT_THOROUGH=1 runs it")
    real = name in WITH_WHAT_IS_INSTALLED or os.environ.get("XLT_THOROUGH")
    commands_in = None if real else request.getfixturevalue("forked_commands")
    if page in map(notebooks.page, notebooks.GUIDES):  # the same commands, executed once
        shown = [cell.shown for cell in notebooks.cells(page.stem) if cell.kind == "code"]
        execute_notebook(notebooks.path(page.stem), shown, tmp_path, commands_in)
        return
    for block in blocks(page.read_text(encoding="utf-8")):
        execute(block, tmp_path, commands_in)


@pytest.mark.parametrize("guide", notebooks.GUIDES)
def test_the_notebook_is_that_of_its_page(guide):
    told = "python -m scripts.docs.notebooks"
    assert notebooks.path(guide).read_text(encoding="utf-8") == notebooks.text(guide), told


def test_the_pages_are_found():
    """A page that is moved must not drop out of the tests."""
    names = {str(page.relative_to(ROOT)) for page in WITH_BLOCKS}
    assert {"README.md", "docs/plugins.md", "docs/tasks/nli.md", "docs/commands.md"} <= names


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    """Of what is read in the repository; `make docs` checks the site's, with anchors."""
    targets = re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text(encoding="utf-8"))
    local = [target for target in targets if "://" not in target]
    generated = {"contributing.md", "changelog.md", "security.md"}
    missing = [t for t in local if t not in generated and not (page.parent / t).exists()]
    assert not missing


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_what_lies_in_scripts_is_called_by_its_name(page):
    """Of commands that no test runs, because they take too long."""
    if page.name == "CHANGELOG.md":
        return  # says what things were called, too
    text = page.read_text(encoding="utf-8")
    files = [ROOT / name for name in re.findall(r"scripts/[\w./-]+\.\w+", text)]
    modules = [
        ROOT / name.replace(".", "/") for name in re.findall(r"python -m (scripts[\w.]*\w)", text)
    ]
    missing = [path for path in files if not path.exists()]
    missing += [
        m for m in modules if not (m / "__main__.py").exists() and not m.with_suffix(".py").exists()
    ]
    assert not missing


def test_the_docs_show_the_plugin_that_is_tested():
    guide = (ROOT / "docs" / "plugins.md").read_text(encoding="utf-8")
    shown = {b.rest: b.text for b in blocks(guide)}
    plugin = ROOT / "tests" / "contract" / "plugin"
    for name in ("word_tags.py", "pyproject.toml"):
        assert shown[f"plugin/{name}"] == (plugin / name).read_text(encoding="utf-8")


def test_the_plugin_is_short():
    plugin = ROOT / "tests" / "contract" / "plugin" / "word_tags.py"
    assert len(plugin.read_text(encoding="utf-8").splitlines()) <= 40


def test_blocks(tmp_path):
    found = list(blocks(EXAMPLE))
    assert [(b.line, b.language, b.verb, b.rest) for b in found] == [
        (4, "yaml", "file", "plugin/a.yaml"),
        (9, "console", "run", ""),
        (17, "console", "fails", "3"),
        (24, "python", "run", ""),
        (30, "console", "skip", "takes an hour"),
    ]
    for block in found:
        execute(block, tmp_path)


@pytest.mark.parametrize(
    "mark", ["", "<!-- file -->\n", "<!-- skip: -->\n", "<!-- run -->\nand words in between\n"]
)
def test_a_block_says_what_is_done_with_it(mark):
    with pytest.raises(ValueError, match="above this python block"):
        list(blocks(f"{mark}```python\n1 / 0\n```\n"))


def test_commands():
    console = "$ a \\\n  b\noutput\n\n$ c\n"
    assert commands(console) == [("a \\\n  b", ["output", ""]), ("c", [])]


@pytest.mark.parametrize(
    ("shown", "printed", "same"),
    [
        (["a 1", "b"], "a 1  \nb\n", True),
        (["a 1", "b"], "a 1\nb\nc\n", False),
        (["a 1", "b"], "a 1\n", False),
        (["a …", "b"], "a 1.5 %\nb\n", True),
        (["a …", "b"], "a 1.5 %\n2\nb\n", False),
        (["a … c"], "a b\n", False),
        (["a", "…", "z"], "a\nz\n", True),
        (["a", "…", "z"], "a\nb\nc\nz\n", True),
        (["a", "…", "z"], "a\nb\n", False),
        (["a.c (1)"], "abc 1\n", False),
        (["…"], "", True),
    ],
)
def test_as_shown(shown, printed, same):
    assert as_shown(shown, printed) is same


@pytest.mark.parametrize(
    ("block", "complaint"),
    [
        (Block(7, "python", "print('so far'); 1 / 0", "run", ""), "(?s)line 7.*so far.*ZeroDiv"),
        (Block(7, "console", "$ true\n$ false | true\n", "run", ""), "`false | true` ended with 1"),
        (Block(7, "console", "$ echo a\nb\n", "run", ""), "(?s)`echo a` printed.a"),
        (Block(7, "console", "$ true\n", "fails", "2"), "`true` ended with 0"),
        (Block(7, "console", "$ echo a >&2; exit 2\nb\n", "fails", "2"), "(?s) printed.a"),
        (Block(7, "yaml", "a: 1\n", "file", "../a.yaml"), "leads out"),
    ],
)
def test_failures(block, complaint, tmp_path):
    with pytest.raises(AssertionError, match=complaint.replace("|", r"\|")):
        execute(block, tmp_path)


def test_output_without_a_command(tmp_path):
    with pytest.raises(ValueError, match="no command above 'xlt tasks'"):
        execute(Block(7, "console", "xlt tasks\n", "run", ""), tmp_path)
