"""The READMEs' code blocks run as they stand; what it shows of our files is what is in them."""

from __future__ import annotations

from pathlib import Path

import pytest
from readme import Block, blocks, commands, execute

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
READMES = [
    README,
    *sorted(p for top in ("xlt", "tasks", "scripts") for p in ROOT.glob(f"{top}/**/README.md")),
]

EXAMPLE = """\
Words.

<!-- file: plugin/a.yaml -->
```yaml
a: 1
```

<!-- run -->
```console
$ grep -c a plugin/a.yaml \\
    > found
1
$ test "$(cat found)" = 1
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


@pytest.mark.parametrize("readme", READMES, ids=lambda path: str(path.parent.relative_to(ROOT)))
def test_readme(readme, tmp_path):
    for block in blocks(readme.read_text(encoding="utf-8")):
        execute(block, tmp_path)


def test_readme_shows_the_plugin_that_is_tested():
    shown = {Path(b.rest).name: b.text for b in blocks(README.read_text(encoding="utf-8"))}
    plugin = ROOT / "tests" / "contract" / "plugin"
    for name in ("word_tags.py", "pyproject.toml"):
        assert shown[name] == (plugin / name).read_text(encoding="utf-8")


def test_blocks(tmp_path):
    found = list(blocks(EXAMPLE))
    assert [(b.line, b.language, b.verb, b.rest) for b in found] == [
        (4, "yaml", "file", "plugin/a.yaml"),
        (9, "console", "run", ""),
        (18, "python", "run", ""),
        (24, "console", "skip", "takes an hour"),
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
    console = "$ a \\\n  b\noutput\n$ c\n"
    assert commands(console) == ["a \\\n  b", "c"]


@pytest.mark.parametrize(
    ("block", "complaint"),
    [
        (Block(7, "python", "print('so far'); 1 / 0", "run", ""), "(?s)line 7.*so far.*ZeroDiv"),
        (Block(7, "console", "$ true\n$ false | true\n", "run", ""), "`false | true` ended with 1"),
        (Block(7, "console", "xlt tasks\n", "run", ""), "nothing to run"),
        (Block(7, "yaml", "a: 1\n", "file", "../a.yaml"), "leads out"),
    ],
)
def test_failures(block, complaint, tmp_path):
    with pytest.raises(AssertionError, match=complaint.replace("|", r"\|")):
        execute(block, tmp_path)
