"""``python -m scripts.make_sample OUTPUT_FOLDER``; fails if what it made is not sound."""

import sys
from pathlib import Path

from .corpus import write
from .soundness import problems

if len(sys.argv) != 2:
    sys.exit(__doc__)
figures = write(Path(sys.argv[1]))
for lang, splits in figures["languages"].items():
    for split, row in splits.items():
        print(lang, split, *(f"{name}={value}" for name, value in row.items()))
print("templates of train:", figures["templates_train"])
print("bytes:", figures["bytes"])
sys.exit("\n".join(problems(Path(sys.argv[1]))) or 0)
