"""A model folder: what `AutoModel` and `AutoTokenizer` read, plus `xlt.json`."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from xlt.config.schema import Model
from xlt.data.subwords import TOKENISATION, WORD_BY_WORD
from xlt.errors import XltError
from xlt.model.backbone import Backbone
from xlt.model.task_model import TaskModel
from xlt.model.vocabulary import SUBWORDS
from xlt.registry import tasks
from xlt.task import Labels, Task

INFO = "xlt.json"
FORMAT = 1


@dataclass(frozen=True)
class ModelInfo:
    """What a folder's model is: enough to predict with it, without the config that made it.

    tokenisation: how words became its subwords; other subwords are not what it has learnt.
    """

    task: str
    options: dict[str, Any]
    labels: Labels
    encoder: str
    max_length: int
    languages: list[str] = field(default_factory=list)
    tokenisation: int = TOKENISATION
    format: int = FORMAT


def read_info(folder: Path) -> ModelInfo:
    """Raises XltError if the folder is no model of ours, or of a newer xlt."""
    path = folder / INFO
    if not path.is_file():
        raise XltError(
            f"{folder} is not a model folder of xlt (there is no {INFO})",
            where=folder,
            fix="name a run folder, or one of its `seed-*/…/model` folders",
        )
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
        if raw["format"] > FORMAT:
            raise XltError(
                f"the model was written by a newer xlt (format {raw['format']}, here {FORMAT})",
                where=path,
                fix="upgrade xlt",
            )
        raw["labels"] = {layer: tuple(values) for layer, values in raw["labels"].items()}
        return ModelInfo(**{"tokenisation": WORD_BY_WORD, **raw})  # an older xlt did not say
    except (json.JSONDecodeError, KeyError, TypeError, AttributeError) as error:
        raise XltError(
            f"{INFO} is damaged ({error})", where=path, fix="restore the folder or train again"
        ) from error


def load_model(
    folder: Path, options: Model | None = None, task: Task | None = None
) -> tuple[Task, Backbone, TaskModel]:
    """The task (with the options it was trained with), the backbone and the model of a folder.

    options: `model` settings that matter at load time (attention, trust_remote_code).
    """
    info = read_info(folder)
    if task is None:
        kind = tasks.get(info.task, where=folder / INFO)
        task = kind(kind.Options(**info.options))
    settings = Model(
        encoder=str(folder),
        max_length=info.max_length,
        **(
            options.model_dump(include={"attention", "trust_remote_code", "lora"})
            if options
            else {}
        ),
    )
    backbone = Backbone(str(folder), settings, tokenisation=info.tokenisation)
    return task, backbone, task.load(folder, backbone, info.labels)


def save_model(
    model: TaskModel, info: ModelInfo, tokenizer: Any, folder: Path, vocabulary: Any = None
) -> None:
    """Write a complete folder; a trimmed vocabulary goes back to its full size on disk.

    `vocabulary` is the `Trimmed` of this model: trained rows return to their places among the
    untouched rows of the full matrix, and the model in memory stays trimmed.
    """
    if vocabulary is None:
        model.save(folder)
    else:
        with vocabulary.restored(model.encoder):
            model.save(folder)
        if model.generates:
            vocabulary.save(folder / SUBWORDS)
    tokenizer.save_pretrained(folder)
    text = json.dumps(asdict(info), ensure_ascii=False, indent=1, sort_keys=True)
    (folder / INFO).write_text(text + "\n", encoding="utf-8")


def fingerprint_folder(folder: Path) -> str:
    """A hash of a model folder's config and weights."""
    digest = hashlib.sha256()
    for path in sorted(folder.iterdir()):
        if path.suffix in (".json", ".safetensors", ".model", ".txt") and path.is_file():
            digest.update(path.name.encode())
            with path.open("rb") as stream:
                while block := stream.read(1 << 22):
                    digest.update(block)
    return digest.hexdigest()
