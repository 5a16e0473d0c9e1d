"""Text from data, cards and models where it could be taken for something else.

What is written to a file of data stays as it is, so that it can be read back. Here is what is for
people: terminals, model cards, spreadsheets, and what is shared with others.
"""

from __future__ import annotations

import re
from pathlib import Path

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
"""What moves a terminal's cursor, changes its settings or the order of what is shown; but for tabs
and line ends."""
_SPACES = re.compile(r"[\s\x00-\x1f\x7f-\x9f\u2028\u2029]+")
_MARKUP = re.compile(r"[\\`*_\[\]|~$]")
_FORMULA = re.compile(r"[=+\-@\t\r]")
_LATEX = {
    **{character: rf"\{character}" for character in "&%$#_{}"},
    "\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
    "<": r"$<$", ">": r"$>$", "|": r"$|$", "±": r"$\pm$", "×": r"$\times$", "→": r"$\rightarrow$",
    "[": "{[}",  # which behind `\\\\` would be an option
}  # fmt: skip
_FOLDERS = re.compile(r"(?<![\w/.~])[~.]{0,2}/(?!/)(?:[^/\s'\"`;,()\[\]{}]+/)*(?=[^/\s])")
"""The folders of a path, up to its last part: a URL's path is none."""


def for_terminal(text: str) -> str:
    r"""Text of which a terminal obeys nothing: control characters as ``\x1b``."""
    return _CONTROL.sub(lambda match: _escaped(match[0]), text)


def for_json(text: str) -> str:
    r"""JSON with the control characters that its writer leaves as they are as ``\u009b``."""
    return _CONTROL.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def one_line(text: str) -> str:
    """Text with line ends, control characters and runs of spaces as one space."""
    return _SPACES.sub(" ", text).strip()


def for_markdown(text: str) -> str:
    """One line that Markdown and HTML show as it is."""
    text = one_line(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _MARKUP.sub(r"\\\g<0>", text)


def for_code(text: str) -> str:
    """One line as a code span of Markdown, which shows it as it is."""
    text = one_line(text)
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", text)), default=0))
    space = " " if "`" in text else ""
    return f"{fence}{space}{text}{space}{fence}"


def for_latex(text: str) -> str:
    """Text that LaTeX prints as it is; signs of numbers are those of mathematics."""
    escaped = "".join(_LATEX.get(character, character) for character in one_line(text))
    return re.sub(r"(?<![\w.])([+-])(?=\d)", r"$\1$", escaped)


def for_cell(text: str) -> str:
    """A cell that no spreadsheet takes for a formula: one that begins like it begins with ``'``."""
    return f"'{text}" if _is_formula(text) or text.startswith("'") else text


def from_cell(text: str) -> str:
    """What `for_cell` was given."""
    return text[1:] if text.startswith("'") and for_cell(text[1:]) == text else text


def _is_formula(text: str) -> bool:
    if not _FORMULA.match(text):
        return False
    try:
        float(text)
    except ValueError:
        return True
    return False  # a negative number


def without_folders(text: str) -> str:
    """Text in which paths are their last part alone: where things lie here is nobody's business.

    What is one path, spaces and all, becomes its last part; in other text, what looks like one.
    """
    path = Path(text)
    if path.is_absolute():
        return path.name
    return _FOLDERS.sub("", text)


def _escaped(character: str) -> str:
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
