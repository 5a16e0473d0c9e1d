"""A model folder: what `AutoModel` and `AutoTokenizer` read, plus `xlt.json`.

`xlt.json` says what the model is, and lists the other files with their sizes and SHA-256, which
are checked whenever the model is loaded.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from xlt.config.schema import Model
from xlt.data.subwords import TOKENISATION, WORD_BY_WORD
from xlt.errors import XltError
from xlt.files import DamagedFile, Listing, damage, entry, listing, read_sealed, write_sealed
from xlt.model.backbone import Backbone
from xlt.model.outside import References, remember
from xlt.model.task_model import TaskModel
from xlt.model.vocabulary import SUBWORDS
from xlt.options import with_places
from xlt.permissions import REMOTE_CODE, is_granted
from xlt.registry import tasks
from xlt.results import CONFIG
from xlt.task import Labels, Task

INFO = "xlt.json"
FORMAT = 2
"""2: with a list of the files. Models of format 1 are read, unchecked."""


@dataclass(frozen=True)
class ModelInfo:
    """What a folder's model is: enough to predict with it, without the config that made it.

    tokenisation: how words became its subwords; other subwords are not what it has learnt.
    files: all others of the folder; empty for a model of an older xlt.
    """

    task: str
    options: dict[str, Any]
    labels: Labels
    encoder: str
    max_length: int
    languages: list[str] = field(default_factory=list)
    tokenisation: int = TOKENISATION
    files: Listing = field(default_factory=dict)
    format: int = FORMAT


def read_info(folder: Path) -> ModelInfo:
    """Raises XltError if the folder is no model of ours, or of a newer xlt; DamagedFile."""
    path = folder / INFO
    try:
        raw = read_sealed(path, fix=_again(folder), older=True)
    except FileNotFoundError:
        raise XltError(
            f"{folder} is not a model folder of xlt (there is no {INFO})",
            where=folder,
            fix="name a run folder, or one of its `seed-*/…/model` folders",
        ) from None
    try:
        if raw["format"] > FORMAT:
            raise XltError(
                f"the model was written by a newer xlt (format {raw['format']}, here {FORMAT})",
                where=path,
                fix="upgrade xlt",
            )
        raw["labels"] = {layer: tuple(values) for layer, values in raw["labels"].items()}
        files = raw["files"].items() if raw["format"] > 1 else ()
        raw["files"] = {_inside(name): (int(size), str(digest)) for name, (size, digest) in files}
        return ModelInfo(**{"tokenisation": WORD_BY_WORD, **raw})  # an older xlt did not say
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DamagedFile(f"{INFO} is damaged ({error})", where=path, fix=_again(folder)) from error


def _inside(name: str) -> str:
    """The path of a file in the folder. Raises ValueError for one outside."""
    if Path(name).is_absolute() or ".." in Path(name).parts:
        raise ValueError(f"the file {name!r} is outside the folder")
    return name


def _again(folder: Path) -> str:
    """How to mend a model's folder."""
    run = folder.parents[2] if len(folder.parents) > 2 else folder
    if (run / CONFIG).is_file():
        return f"`xlt train {run / CONFIG}` makes it again"
    return "copy the folder again from where it came, or train the model again"


def check_model(folder: Path) -> str | None:
    """What is wrong with the files of a model's folder; None if all are as they were written."""
    try:
        return damage(folder, read_info(folder).files)
    except XltError as error:
        return f"{INFO}: {error.what}"


@contextmanager
def _checked(folder: Path, info: ModelInfo) -> Iterator[None]:
    """Refuse the model that the block loads if any of its files is damaged.

    Weights are checked while they are loaded, all else before.
    """

    def refuse(problem: str | None, cause: BaseException | None = None) -> None:
        if problem is not None:
            raise DamagedFile(problem, where=folder, fix=_again(folder)) from cause

    weights = {name: file for name, file in info.files.items() if name.endswith(".safetensors")}
    refuse(damage(folder, {name: info.files[name] for name in info.files.keys() - weights}))
    with ThreadPoolExecutor(1) as thread:
        checking = thread.submit(damage, folder, weights)
        try:
            yield
        except Exception as error:  # whose cause may be the damage
            refuse(checking.result(), error)
            raise
        refuse(checking.result())


def task_of(info: ModelInfo, folder: Path) -> Task:
    """The task of a folder's model, with the options it was trained with.

    Raises XltError for a task that is not installed, and for options that name what is outside the
    folder without a permission (`xlt.model.outside`).
    """
    kind = tasks.get(info.task, where=folder / INFO)
    references = References(folder / INFO)
    options = with_places(kind.Options(**info.options), references.at("options"))
    references.finish()
    task: Task = kind(options)
    return task


def load_model(
    folder: Path, options: Model | None = None, task: Task | None = None
) -> tuple[Task, Backbone, TaskModel]:
    """The task (with the options it was trained with), the backbone and the model of a folder.

    options: `model` settings that matter at load time (attention, trust_remote_code).

    Raises XltError if the folder is no model; DamagedFile if a file is not as it was written.
    """
    info = read_info(folder)
    if task is None:
        task = task_of(info, folder)
    settings = Model(
        encoder=str(folder),
        max_length=info.max_length,
        **(
            options.model_dump(include={"attention", "trust_remote_code", "lora"})
            if options
            else {"trust_remote_code": is_granted(REMOTE_CODE)}
        ),
    )
    backbone = Backbone(str(folder), settings, tokenisation=info.tokenisation)
    with _checked(folder, info):
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
    write_info(info, folder)


def write_info(info: ModelInfo, folder: Path) -> None:
    """Write `xlt.json`, with a list of all files that are in the folder now.

    Whoever changes a model's files on purpose calls it with `read_info(folder)`.
    """
    _write(replace(info, files=listing(folder, without=[INFO])), folder)


def add_file(folder: Path, name: str, value: Mapping[str, Any]) -> None:
    """Write a sealed JSON file that is to be part of the model."""
    info = read_info(folder)
    write_sealed(folder / name, value)
    remember(folder / name)
    _write(replace(info, files={**info.files, name: entry(folder / name)}), folder)


def _write(info: ModelInfo, folder: Path) -> None:
    write_sealed(folder / INFO, asdict(replace(info, format=FORMAT)))
    remember(folder / INFO)
