"""A module that takes long to import."""

import torch

from xlt.tasks.ner import NER


class ImportsTorch(NER):
    name = "imports_torch"
    dtype = torch.float32
