"""``python -m scripts.make_sample OUTPUT_FOLDER``."""

import sys
from pathlib import Path

from .corpus import write

if len(sys.argv) != 2:
    sys.exit(__doc__)
write(Path(sys.argv[1]))
