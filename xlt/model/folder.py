"""A model folder: what `AutoModel` and `AutoTokenizer` read, plus `xlt.json`.

`xlt.json` says what the model is, and lists the other files with their sizes and SHA-256, which
are checked whenever the model is loaded.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import AfterValidator, ConfigDict, Field, TypeAdapter, ValidationError

from xlt.config.schema import Model
from xlt.config.stored import advise_remaking
from xlt.data.subwords import TOKENISATION, WORD_BY_WORD
from xlt.errors import XltError
from xlt.files import DamagedFile, damage, entry, is_outside, listing, read_sealed, write_sealed
from xlt.model.backbone import Backbone
from xlt.model.outside import References, remember
from xlt.options import MAX_COUNT, with_places
from xlt.permissions import REMOTE_CODE, is_granted
from xlt.registry import tasks
from xlt.task import Labels, Task
from xlt.yaml.problems import in_one_line

if TYPE_CHECKING:
    from xlt.model.task_model import TaskModel

INFO = "xlt.json"
ENCODER = "encoder.json"
"""In the folder of an encoder without task layers, in the place of `xlt.json`: its files."""
TASK = "task"
"""Folder in that of an encoder, or of a model, that has just been trained on another task than it
is for: that task's layers, and an `xlt.json` that says of which task they are."""
FORMAT = 2
"""2: with a list of the files. Models of format 1 are read, unchecked."""


def _inside(name: str) -> str:
    """The path of a file in the folder. Raises ValueError for one outside."""
    if is_outside(name):
        raise ValueError(f"the file {name!r} is outside the folder")
    return name


def _checked_labels(labels: Labels) -> Labels:
    """An inventory in which every label is one. Raises ValueError for one that stands twice."""
    for layer, values in labels.items():
        if len(set(values)) < len(values):
            ((twice, _),) = Counter(values).most_common(1)
            raise ValueError(f"{layer} has {twice!r} twice")
    return labels


@dataclass(frozen=True)
class ModelInfo:
    """What a folder's model is: enough to predict with it, without the config that made it.

    languages: ISO 639-3, which it was trained for; none where nobody said.
    tokenisation: how words became its subwords; other subwords are not what it has learnt.
    files: all others of the folder; empty for a model of an older xlt.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    task: str
    options: dict[str, Any]
    labels: Annotated[Labels, AfterValidator(_checked_labels)]
    encoder: str
    max_length: Annotated[int, Field(ge=8, le=MAX_COUNT)]
    languages: list[str] = field(default_factory=list)
    tokenisation: int = TOKENISATION
    files: dict[Annotated[str, AfterValidator(_inside)], tuple[int, str]] = field(
        default_factory=dict
    )
    format: Annotated[int, Field(ge=1)] = FORMAT


_INFO = TypeAdapter(ModelInfo)


def read_info(folder: Path) -> ModelInfo:
    """Raises XltError if the folder is no model of ours, or of a newer xlt; DamagedFile."""
    path = folder / INFO
    try:
        raw = read_sealed(path, fix=lambda: advise_remaking(folder), older=True)
    except FileNotFoundError:
        raise XltError(
            f"{folder} is not a model folder of xlt (there is no {INFO})",
            where=folder,
            fix="name a run folder, or one of its `seed-*/…/model` folders",
        ) from None
    format = raw.setdefault("format", None)  # without it nobody knows what the rest means
    if isinstance(format, int) and format > FORMAT:
        raise XltError(
            f"the model was written by a newer xlt (format {format}, here {FORMAT})",
            where=path,
            fix="upgrade xlt",
        )
    if format == 1:
        raw.pop("files", None)
    try:
        # Lists are what JSON has for tuples; nothing else is taken for what it is not.
        stated = json.dumps({"tokenisation": WORD_BY_WORD, **raw})  # an older xlt did not say
        return _INFO.validate_json(stated, strict=True)
    except ValidationError as error:
        raise DamagedFile(
            f"{INFO} is damaged: {in_one_line(error)}", where=path, fix=advise_remaking(folder)
        ) from error


def write_encoder(folder: Path) -> None:
    """Say in a folder that its files, as `AutoModel` and `AutoTokenizer` read them, are one."""
    write_sealed(folder / ENCODER, {"files": listing(folder, without=[ENCODER])})


def has_learnt(folder: Path) -> bool:
    """Whether a stage's model, or encoder, comes from training on some task."""
    return (folder / INFO).is_file() or (folder / TASK / INFO).is_file()


def encoder_of(folder: Path, options: Model) -> Backbone:
    """The encoder in such a folder. options: what `model` of a config says of any encoder.

    Raises DamagedFile if a file is not as it was written.
    """
    problem = check_model(folder)
    if problem is not None:
        raise DamagedFile(problem, where=folder, fix="the stage has to be trained again")
    # Whatever was done to the vocabulary is done.
    changed = {"encoder": str(folder), "revision": None, "vocabulary": None}
    settings = options.model_copy(update=changed)
    return Backbone(str(folder), settings)


def check_model(folder: Path) -> str | None:
    """What is wrong with the files of a model's folder, or an encoder's; None if all are as they
    were written."""
    if (folder / ENCODER).is_file():
        try:
            return damage(folder, read_sealed(folder / ENCODER, fix="")["files"])
        except DamagedFile as error:
            return f"{ENCODER}: {error.what}"
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
            raise DamagedFile(problem, where=folder, fix=advise_remaking(folder)) from cause

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
    try:
        stated = kind.Options.model_validate_json(json.dumps(info.options), strict=True)
    except ValidationError as error:
        where = f"{folder / INFO} (options)"
        raise DamagedFile(in_one_line(error), where=where, fix=advise_remaking(folder)) from error
    options = with_places(stated, references.at("options"))
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
    with open_folder(folder, options, task) as (own, backbone):
        return own, backbone, own.load(folder, backbone, read_info(folder).labels)


@contextmanager
def open_folder(
    folder: Path, options: Model | None = None, task: Task | None = None
) -> Iterator[tuple[Task, Backbone]]:
    """The task and the backbone of a folder's model, which the block loads; as `load_model`."""
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
    with _checked(folder, info), _of_folder(folder):
        _check_layers(task, info, folder)
        backbone.check_files()
        _check_names(backbone, info, folder)
        yield task.for_labels(info.labels), backbone


@contextmanager
def _of_folder(folder: Path) -> Iterator[None]:
    """Errors of the backbone say `model.encoder`, a config's key; here there is only the folder."""
    try:
        yield
    except XltError as error:
        raise error.placed(
            lambda one: folder if (one.where or "").startswith("model.") else one.where
        ) from error


def _check_layers(task: Task, info: ModelInfo, folder: Path) -> None:
    """Refuse labels of other layers than the task's: `xlt.json` is that of another model."""
    needed, stated = {*task.labels(())}, {*info.labels}
    if not needed <= stated:
        raise XltError(
            f"{INFO} has labels of {_listed(stated)}, and models of {task.name} have labels of "
            f"{_listed(needed)}",
            where=folder / INFO,
            fix=advise_remaking(folder),
        )


def _listed(names: set[str]) -> str:
    return ", ".join(sorted(names)) or "nothing"


def _check_names(backbone: Backbone, info: ModelInfo, folder: Path) -> None:
    """Refuse a classifier whose own names of its labels are others than those of `xlt.json`."""
    config = backbone.config
    if not any(name.endswith("Classification") for name in config.architectures or ()):
        return  # names that an encoder brought along from an earlier life
    names = tuple(str(config.id2label.get(n)) for n in range(len(config.id2label)))
    if names not in info.labels.values():
        raise XltError(
            f"config.json names the labels {', '.join(names[:6])}, {INFO} others",
            where=folder,
            fix=advise_remaking(folder),
        )


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
            from xlt.model.vocabulary import SUBWORDS

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


def say_languages(folder: Path, languages: Sequence[str]) -> None:
    """Say in a model's folder which languages (ISO 639-3) it was trained for."""
    _write(replace(read_info(folder), languages=list(languages)), folder)


def _write(info: ModelInfo, folder: Path) -> None:
    write_sealed(folder / INFO, asdict(replace(info, format=FORMAT)))
    remember(folder / INFO)
