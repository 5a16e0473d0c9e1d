"""``python -m scripts.make_sample OUTPUT_FOLDER``."""

import sys
from pathlib import Path

from .corpus import write

if len(sys.argv) != 2:
    sys.exit(__doc__)
figures = write(Path(sys.argv[1]))
for lang, splits in figures["languages"].items():
    for split, row in splits.items():
        print(lang, split, *(f"{name}={value}" for name, value in row.items()))
print("templates of train:", figures["templates_train"])
print("bytes:", figures["bytes"])
