"""The model card of a run (README.md): what it is, what it was trained on, how well it does."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from xlt import languages
from xlt.config.schema import TEXT
from xlt.escape import for_code, for_markdown, one_line, without_folders
from xlt.evaluation.forgetting import forgetting_scope, forgetting_table
from xlt.evaluation.report import (
    confidence_table,
    estimate_scope,
    estimate_table,
    score_scope,
    score_table,
)
from xlt.runs.coverage import about_vocabulary
from xlt.runs.folder import model_folder

if TYPE_CHECKING:
    from xlt.config.schema import Config


def model_card(
    config: Config,
    result: dict[str, Any],
    data: list[dict[str, Any]],
    seeds: Mapping[str, int],
) -> str:
    """Markdown with the YAML front matter that the Hugging Face hub reads.

    seeds: target → a seed whose model the run keeps.
    Others will read it: what data cards say is shown and not obeyed, and nothing says where files
    lie on this machine.
    """
    encoder = without_folders(config.model.encoder)
    codes = dict.fromkeys([*config.target, *trained_languages(result)])
    read = {one["language"] for one in _trained_on(result) if one["split"] == TEXT}
    training_data = [
        dataset
        for dataset in data
        # Text may be there for estimates alone.
        if dataset["split"] == "train" or (dataset["split"] == TEXT and dataset["language"] in read)
    ]
    licences = sorted({dataset["licence"] for dataset in training_data if dataset["licence"]})
    front_matter = [
        "---",
        "language:",
        # Quoted: an unquoted `no` is false in YAML 1.1, which the hub reads.
        *(f"- {json.dumps(languages.bcp47(code))}" for code in codes),
        "license: other",
        f"license_name: {_yaml('; '.join(licences) or 'not stated by the data')}",
        f"base_model: {_yaml(encoder)}",
        f"tags: [xlt, {json.dumps(result['task'])}, {json.dumps(result['strategy'])}]",
        "---",
    ]
    targets = ", ".join(f"{languages.name(code)} ({code})" for code in config.target)
    body = [
        f"# {config.name}",
        "",
        f"{result['task']} for {targets}: {result['strategy']}"
        + (
            f" from {', '.join(languages.name(code) for code in config.source)}"
            if config.source
            else ""
        )
        + f", starting from {for_markdown(encoder)}.",
        *([f"{more[0].upper()}{more[1:]}."] if (more := about_vocabulary(config.model)) else []),
        "",
        "## Scores",
        "",
        _scores(result),
        "",
        f"Checkpoints are selected on {config.selection.on}; rows marked * are the ones the saved "
        "model belongs to, the others show what another way of selecting would have given. "
        f"{score_scope([row['metrics'][result['metrics'][0]] for row in result['summary']])}.",
        *(
            f"{target} is predicted {for_markdown(how)}."
            for target, how in result["predictions"].items()
        ),
        *(f"{for_markdown(one)}." for one in changes(result["lineage"])),
        "",
        *_expected(result),
        *_after_stages(result),
        *_confidence(result),
        "## Data",
        "",
        *(f"- {_describe(dataset)}" for dataset in data),
        *(f"- {_projection(report)}" for report in result["projections"]),
        *(f"- {for_markdown(one)}" for one in told(result["lineage"])),
        "",
        "## Licence",
        "",
        "The weights derive from data under: "
        + (for_markdown("; ".join(licences)) or "licences not stated")
        + ". Their terms, and those of the encoder, apply to this model.",
        "",
        "## Use",
        "",
        usage(config, seeds),
    ]
    return "\n".join([*front_matter, "", *body]) + "\n"


def usage(config: Config, seeds: Mapping[str, int]) -> str:
    """How to predict with the run's first model; seeds as in `model_card`."""
    target = config.target[0]
    if target not in seeds:
        return (
            "The run keeps no model (`output.keep: scores`). Run with `output.keep=best`, it makes "
            "its models again."
        )
    return f"```\nxlt predict {config.name}/{model_folder(seeds[target], target)} INPUT\n```"


def trained_languages(result: dict[str, Any]) -> list[str]:
    return list(dict.fromkeys(data_split["language"] for data_split in _trained_on(result)))


def _trained_on(result: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The data of all stages."""
    for stages in result["lineage"].values():
        for stage in stages:
            yield from stage["train"]


def changes(lineage: Mapping[str, Sequence[Mapping[str, Any]]]) -> list[str]:
    """What stages were trained with that the config does not say, each once.

    lineage: of a result.
    """
    said = {
        stage["key"]: f"the stage {stage['stage']} of {base.partition('/')[0]} was trained with "
        + ", ".join(f"training.{name} {value:g}" for name, value in stage["changed"].items())
        for base, stages in lineage.items()
        for stage in stages
        if stage.get("changed")
    }
    return list(said.values())


def told(lineage: Mapping[str, Sequence[Mapping[str, Any]]]) -> list[str]:
    """What kinds of stages say of what came out, each stage once.

    lineage: of a result.
    """
    said = {
        stage["key"]: f"{stage['about']['note']}, {base.partition('/')[0].replace('-', ' ')}"
        for base, stages in lineage.items()
        for stage in stages
        if "note" in stage.get("about", {})
    }
    return list(said.values())


def _yaml(text: str) -> str:
    """A quoted scalar; YAML has no surrogate pairs, which JSON would escape some letters to."""
    return json.dumps(one_line(text), ensure_ascii=False)


def _scores(result: dict[str, Any]) -> str:
    rows = [
        {**row, "selected_on": f"{row['selected_on']}{' *' if row['primary'] else ''}"}
        for row in result["summary"]
    ]
    return score_table(rows, result["languages"], result["metrics"]).markdown()


def _expected(result: dict[str, Any]) -> list[str]:
    """What is expected of text without labels; nothing where there was none."""
    rows = result.get("estimates")
    if not rows:
        return []
    scope = [f"{for_markdown(line)}." for line in estimate_scope(rows)]
    return ["## Expected without labels", "", estimate_table(rows).markdown(), "", *scope, ""]


def _after_stages(result: dict[str, Any]) -> list[str]:
    """What was left after each stage; nothing where nobody looked."""
    rows = result.get("forgetting")
    if not rows:
        return []
    scope = [f"{for_markdown(line)}." for line in forgetting_scope(rows)]
    return ["## After each stage", "", forgetting_table(rows).markdown(), "", *scope, ""]


def _confidence(result: dict[str, Any]) -> list[str]:
    """How far one may trust the probabilities beside predictions; nothing where there are none."""
    rows = [row for row in result["rows"] if row["primary"] and row.get("reliability")]
    if not rows:
        return []
    fitted = sorted({row["calibrated_on"] for row in rows if row["calibrated_on"]})
    how = (
        f"their temperatures were fitted on {', '.join(fitted)}"
        if fitted
        else "they are not calibrated, since no dev data selected the checkpoint"
    )
    return [
        "## Confidence",
        "",
        confidence_table(rows).markdown(),
        "",
        "Percent: the mean confidence of what is predicted, how much of it is right, and the "
        f"expected calibration error, in ten bins. Confidences are the model's; {how}.",
        "",
    ]


def _projection(report: dict[str, Any]) -> str:
    method = for_markdown(without_folders(f"{report['translator']}; {report['aligner']}"))
    return (
        f"{report['to']} {report['split']}: projected from {report['from']} ({method}); "
        f"{report['used']} of {report['records']} records, "
        f"{report['kept']} of {report['labels']} labels"
    )


def _describe(dataset: dict[str, Any]) -> str:
    whose = f"{dataset['task']} " if "task" in dataset else ""
    reference = for_code(without_folders(dataset["reference"]))
    stated = [dataset["licence"], dataset["origin"], *dataset["caveats"]]
    parts = [for_markdown(without_folders(text)) for text in stated if text]
    name = f"{whose}{dataset['language']} {dataset['split']}"
    return "; ".join([f"{name}: {reference}", *parts])
