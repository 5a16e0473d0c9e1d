"""What a config asks for that needs the user's consent (`xlt.permissions`)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from xlt.config.layers import COMMAND_LINE
from xlt.config.load import LoadedConfig
from xlt.config.places import is_remote
from xlt.permissions import ONLINE, PUSH, REMOTE_CODE, REPORT, STORE, Request
from xlt.registry import translators

LOCAL_TRACKERS = {"tensorboard", "none"}
"""Of `report_to`: what writes into the stage's own folder, or nothing."""


def requests(loaded: LoadedConfig) -> list[Request]:
    """Everything in a config that runs others' code or sends something out, by key.

    What stands on the command line is marked as typed.
    """
    return [
        Request(permission, what, loaded.where(key), _is_typed(loaded, key))
        for permission, what, key in _asked(loaded)
    ]


def _asked(loaded: LoadedConfig) -> Iterator[tuple[str, str, str]]:
    """Permission, what it is for, and the key."""
    config = loaded.config
    if config.model.trust_remote_code:
        what = f"runs the Python code that comes with {config.model.encoder}"
        yield REMOTE_CODE, what, "model.trust_remote_code"
    if config.output.push_to_hub is not None:
        what = f"uploads the finished model to {config.output.push_to_hub} on the Hugging Face hub"
        yield PUSH, what, "output.push_to_hub"
    if is_remote(config.output.store):
        yield STORE, f"keeps trained stages in {config.output.store}", "output.store"
    reports = {
        "training.report_to": config.training.report_to,
        **dict(_reports(config.strategy.options, "strategy")),
    }
    for key, names in reports.items():
        trackers = [name for name in names if name not in LOCAL_TRACKERS]
        if trackers:
            yield REPORT, f"gives settings and scores to {', '.join(trackers)}", key
    translator = config.projection.translator
    if translator is not None:
        plugin = translators.get(translator.name)
        if plugin.online:
            service = plugin.service(translator.name, translator.options)
            yield ONLINE, f"sends texts to {service}", "projection.translator"


def _reports(options: Mapping[str, Any], key: str) -> Iterator[tuple[str, list[str]]]:
    """Every `report_to` in a strategy's options, by key: of what stages do differently."""
    for name, value in options.items():
        if isinstance(value, Mapping):
            yield from _reports(value, f"{key}.{name}")
        elif name == "report_to":
            yield f"{key}.{name}", value


def _is_typed(loaded: LoadedConfig, key: str) -> bool:
    node = loaded.sources.get(key)
    # A file may be called like the command line, but what stands in it has a line.
    return node is not None and node.at.source == COMMAND_LINE and node.at.line is None
