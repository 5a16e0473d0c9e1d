"""xlt tasks"""

from __future__ import annotations

from typing import Any


def tasks() -> list[dict[str, Any]]:
    """The registered tasks: name, metrics (the first selects), formats, options, a sentence.

    A plugin that cannot be loaded is listed with the reason.
    """
    from xlt import registry
    from xlt.config.editor import summary
    from xlt.errors import XltError

    listed = []
    for name in registry.tasks.names():
        try:
            task = registry.tasks.get(name)
        except XltError as error:
            listed.append({"name": name, "metrics": [], "formats": [], "what": error.what})
            continue
        listed.append(
            {
                "name": name,
                "metrics": list(task.metrics_reported),
                "formats": list(task.formats),
                "what": summary(task),
                "options": task.Options.model_json_schema()["properties"],
            }
        )
    return listed
