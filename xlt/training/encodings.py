"""The examples of a stage, which training reads again and again, in an order of its own.

Few are kept in memory. Many are encoded once into an Arrow file beside the records, which is mapped
into memory: all that is held of an example is its length, which the plan of batches needs.

A row of the file is whatever the task's `encode` put into `Example.inputs`, as MessagePack, but for
what all examples have in common (a padding id, a tokenizer): that is taken from the first record,
which is encoded whenever the file is opened, and shows whether the file is what it should be.
"""

from __future__ import annotations

import hashlib
import json
import logging
import sys
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from xlt.data.code import READING, code_hashes
from xlt.data.store import MAX_HELD, building, cache_dir
from xlt.document import Document
from xlt.errors import XltError
from xlt.extras import installed
from xlt.inference.base import in_windows
from xlt.model.backbone import Backbone
from xlt.task import Example, Labels, Task
from xlt.training.data import Data

log = logging.getLogger(__name__)

_CHUNK = 1024
"""Records that are encoded at once, and the rows of a batch of Arrow."""


def encode(
    task: Task, data: Sequence[Data], backbone: Backbone, labels: Labels | None
) -> Sequence[Example]:
    """The examples of all records, in order: in memory, or in a file if they are many.

    Raises XltError if the cache cannot be written.
    """
    records = chain.from_iterable(one.records for one in data)
    if sum(len(one.records) for one in data) <= MAX_HELD:
        return task.encode(list(records), backbone, labels)
    first = task.encode([data[0].records[0]], backbone, labels)[0]
    path = cache_dir() / "encodings" / f"{_key(task, data, backbone, labels)}.arrow"
    try:
        return StoredExamples(path, first)
    except _UnlikeFileError as error:
        if path.exists():
            log.warning("%s %s: it is made again", path, error)
            path.unlink(missing_ok=True)
    try:
        with building(path) as part:
            if part is not None:
                _write(part, task, records, backbone, labels, first)
    except _UnpackableError as error:
        log.warning("the examples of %s stay in memory: %s", task.name, error)
        every = chain.from_iterable(one.records for one in data)
        return task.encode(list(every), backbone, labels)
    return StoredExamples(path, first)


def lengths(examples: Sequence[Example]) -> NDArray[np.int64]:
    """How many subwords each example has."""
    if isinstance(examples, StoredExamples):
        return examples.lengths
    return np.array([example.length for example in examples], np.int64)


class StoredExamples(Sequence[Example]):
    """The examples of a file, made when they are asked for.

    path:  what `encode` wrote.
    first: the first of them, encoded anew.
    """

    def __init__(self, path: Path, first: Example) -> None:
        import pyarrow as pa

        self.path, self._common = path, first.inputs
        try:
            table = pa.ipc.open_file(pa.memory_map(str(path))).read_all()
        except FileNotFoundError as error:
            raise _UnlikeFileError("is not there") from error
        except (OSError, pa.ArrowInvalid) as error:
            raise _UnlikeFileError(f"is damaged ({error})") from error
        self.lengths: NDArray[np.int64] = table["length"].to_numpy().astype(np.int64)
        self._rows, self._sums = table["inputs"], table["sum"].to_numpy()
        live = _unpackable(first.inputs)
        try:
            stored = self[0]
        except (XltError, IndexError, ValueError, AttributeError) as error:
            raise _UnlikeFileError(f"is damaged ({error})") from error
        if _pack(stored.inputs, but=live) != _pack(first.inputs, but=live):
            raise _UnlikeFileError("is of other data")

    def __len__(self) -> int:
        return len(self.lengths)

    @overload
    def __getitem__(self, index: int) -> Example: ...
    @overload
    def __getitem__(self, index: slice) -> list[Example]: ...
    def __getitem__(self, index: int | slice) -> Example | list[Example]:
        if isinstance(index, slice):
            return [self._example(i) for i in range(*index.indices(len(self)))]
        return self._example(range(len(self))[index])

    def __iter__(self) -> Iterator[Example]:
        return map(self._example, range(len(self)))

    def _example(self, index: int) -> Example:
        """Raises XltError for a row that is not what was written."""
        packed = self._rows[index].as_py()
        length = int(self.lengths[index])
        if _checksum(length, packed) != self._sums[index]:
            raise XltError(
                f"the encodings are damaged (record {index})",
                where=self.path,
                fix="delete the file, then run the same command with --resume",
            )
        return Example(index, length, {**self._common, **_unpack(packed)})


def _write(
    path: Path,
    task: Task,
    records: Iterable[Document],
    backbone: Backbone,
    labels: Labels | None,
    first: Example,
) -> None:
    import pyarrow as pa

    schema = pa.schema({"length": pa.int32(), "sum": pa.uint32(), "inputs": pa.binary()})
    known = _Common(first.inputs)
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, schema) as rows:
        for chunk in in_windows(records, _CHUNK):
            examples = task.encode(chunk, backbone, labels)
            common = known.of(examples)
            packed = [_stored(example.inputs, common) for example in examples]
            lengths = [example.length for example in examples]
            sums = [_checksum(*row) for row in zip(lengths, packed, strict=True)]
            rows.write_batch(pa.record_batch([lengths, sums, packed], schema=schema))


def _stored(inputs: Mapping[str, Any], common: set[str]) -> bytes:
    """The inputs, packed. Raises _UnpackableError if something else would come out again: a task is
    to find its values as it made them, or it learns from others."""
    packed = _pack(inputs, but=common)
    try:
        again = _unpack(packed)
    except (ValueError, TypeError, AttributeError) as error:  # e.g. of a mapping of numbers
        raise _UnpackableError(str(error)) from error
    for name, value in again.items():
        if not _same(inputs[name], value):
            raise _UnpackableError(f"{name!r} would not be the same again")
    return packed


def _same(one: Any, other: Any) -> bool:
    if type(one) is not type(other):
        return False
    if isinstance(one, np.ndarray):
        return bool(one.dtype == other.dtype) and one.tobytes() == other.tobytes()
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(_same(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(_same, one, other))
    if is_dataclass(one):
        return all(_same(getattr(one, f.name), getattr(other, f.name)) for f in fields(one))
    return bool(one == other or one != one)  # NaN


def _checksum(length: int, packed: bytes) -> int:
    return zlib.crc32(packed, length)


# What examples have in common --------------------------------------------------------------------


class _Common:
    """Inputs that are those of the first record."""

    def __init__(self, first: Mapping[str, Any]) -> None:
        self.first = first
        self._packed = {name: _packed_or_none(value) for name, value in first.items()}

    def of(self, examples: Sequence[Example]) -> set[str]:
        """The names of those inputs that all examples share with the first record.

        Raises _UnpackableError for examples that do not all have inputs of the same names.
        """
        begin = examples[0].inputs
        if any(example.inputs.keys() != self.first.keys() for example in examples):
            raise _UnpackableError("their inputs have different names")
        return {
            name
            for name, value in begin.items()
            if self._is_first(name, value) and all(e.inputs[name] is value for e in examples)
        }

    def _is_first(self, name: str, value: Any) -> bool:
        if value is self.first[name]:
            return True
        packed = self._packed[name]
        return packed is not None and packed == _packed_or_none(value)


def _unpackable(inputs: Mapping[str, Any]) -> set[str]:
    return {name for name, value in inputs.items() if _packed_or_none(value) is None}


def _packed_or_none(value: Any) -> bytes | None:
    try:
        return _pack({"value": value})
    except _UnpackableError:
        return None


# MessagePack -------------------------------------------------------------------------------------

_DTYPES = tuple(map(np.dtype, ("bool", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "f4", "f8")))
_KIND = "kind"


def _pack(inputs: Mapping[str, Any], *, but: Iterable[str] = ()) -> bytes:
    """The inputs, without some of them, as `_unpack` takes them.

    Raises _UnpackableError for values that are neither JSON's, nor tuples, flat arrays, or
    dataclasses of xlt or of the task.
    """
    import msgpack

    kept = {name: inputs[name] for name in sorted(inputs.keys() - set(but))}
    try:
        packed: bytes = msgpack.packb(kept, default=_plain, strict_types=True)
    except (TypeError, ValueError, OverflowError) as error:
        raise _UnpackableError(str(error)) from error
    return packed


def _plain(value: Any) -> Any:
    """What MessagePack has for a value that it has no kind for."""
    import msgpack

    if isinstance(value, np.ndarray) and value.ndim == 1 and value.dtype in _DTYPES:
        return msgpack.ExtType(_DTYPES.index(value.dtype), value.tobytes())
    if type(value) is tuple:
        return {_KIND: "tuple", "of": list(value)}
    if is_dataclass(value) and not isinstance(value, type):
        kind = f"{type(value).__module__}:{type(value).__qualname__}"
        return {_KIND: kind, "of": [getattr(value, field.name) for field in fields(value)]}
    raise TypeError(f"{type(value).__name__} cannot be stored")


def _unpack(packed: bytes) -> dict[str, Any]:
    import msgpack

    inputs: dict[str, Any] = msgpack.unpackb(packed, ext_hook=_array, object_hook=_restored)
    return inputs


def _array(kind: int, data: bytes) -> NDArray[Any]:
    return np.frombuffer(data, _DTYPES[kind])


def _restored(value: dict[str, Any]) -> Any:
    kind = value.get(_KIND)
    if kind is None:
        return value
    return tuple(value["of"]) if kind == "tuple" else _dataclass(kind)(*value["of"])


def _dataclass(name: str) -> type:
    found = _dataclasses.get(name)
    if found is None:
        module, _, qualified = name.partition(":")
        # A file says only which of the classes that are here it means, and runs nothing.
        found = getattr(sys.modules.get(module), qualified, None)
        if not isinstance(found, type) or not is_dataclass(found):
            raise ValueError(f"{name} is no dataclass that is in use")
        _dataclasses[name] = found
    return found


_dataclasses: dict[str, type] = {}


# Identity ----------------------------------------------------------------------------------------


_PARTS = (*READING, "model", "training/encodings")
"""What of xlt encodes and stores."""


def _key(task: Task, data: Sequence[Data], backbone: Backbone, labels: Labels | None) -> str:
    """Of everything that encodings depend on."""
    value = {
        "code": code_hashes(type(task), *_PARTS),
        "versions": {name: installed(name) for name in ("numpy", "tokenizers", "transformers")},
        "task": [task.name, task.options.model_dump(mode="json")],
        "data": [one.fingerprint for one in data],
        "labels": [_lists(labels), _lists(backbone.labels)],
        "tokenizer": _tokenizer(backbone),
        "config": _anywhere(backbone.config.to_dict()),
        "max_length": backbone.max_length,
    }
    text = json.dumps(value, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _anywhere(config: Any) -> Any:
    """A model's config, and those in it, without where the model lies."""
    if not isinstance(config, dict):
        return config
    return {key: _anywhere(value) for key, value in config.items() if key != "_name_or_path"}


def _lists(labels: Labels | None) -> dict[str, list[str]] | None:
    return None if labels is None else {layer: list(values) for layer, values in labels.items()}


def _tokenizer(backbone: Backbone) -> str:
    """A hash of all that the tokenizer saves."""
    digest = hashlib.sha256()
    with TemporaryDirectory() as folder:
        backbone.tokenizer.save_pretrained(folder)
        for path in sorted(Path(folder).rglob("*")):
            if path.is_file():
                digest.update(path.name.encode())
                digest.update(path.read_bytes())
    return digest.hexdigest()


class _UnlikeFileError(Exception):
    """A file is not what it should be."""


class _UnpackableError(Exception):
    """A value cannot be stored."""
