"""The table that decides about xlt-mini: what transfers from English with it.

    python -m scripts.evaluate_mini FOLDER --model NAME=ENCODER[@RATE] … [--seeds 1 2 3] …

Every encoder gets the same fine-tuning, with its subword vectors fixed. ENCODER is a folder, a hub
id or `xlt-mini`; `random:ENCODER` has its shape and its tokenizer but not its weights, and learns
its vectors, too. RATE is the learning rate of the layers: random ones need a higher one than
pretrained ones; the task's own layers have 1e-3. Parsing is tested
on PUD, without UPOS; entities on UNER and MasakhaNER 2.0; inference (6,000 rows of MultiNLI) on
XNLI and its extensions; retrieval finds the translations of the last lines of NTREX, which the
pretraining never read, by the cosine of mean vectors. Data come from XLT_DATA or the cache.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np

PUD = (
    "arabic ara, chinese zho, czech ces, english eng, finnish fin, french fra, german deu, "
    "hindi hin, icelandic isl, indonesian ind, italian ita, japanese jpn, korean kor, polish pol, "
    "portuguese por, russian rus, spanish spa, swedish swe, thai tha, turkish tur"
)
PARSED = {code: f"ud-{name}-pud:{code}:test" for name, code in map(str.split, PUD.split(", "))}
THIRTEEN = (
    "eng", "swe", "rus", "deu", "spa", "ind", "fin", "zho", "hin", "ces", "ara", "tur", "kor",
)  # fmt: skip
"""The languages of the goal: a mean of 45 UAS and 30 LAS."""
NAMED = {
    **{
        code: f"uner-{name}:{code}:test"
        for name, code in (
            ("english-pud", "eng"), ("german-pud", "deu"), ("portuguese-pud", "por"),
            ("russian-pud", "rus"), ("swedish-pud", "swe"), ("chinese-pud", "zho"),
        )
    },
    **{
        code: f"masakhaner2:{code}:test"
        for code in ("hau", "ibo", "pcm", "swa", "wol", "yor", "zul")
    },
}  # fmt: skip
INFERRED = {
    code: {"ref": f"xnli:{code}:test", "limit": 1000}
    for code in ("eng", "spa", "deu", "eus", "hrv", "kor", "swa", "urd", "mya")
}
TASKS: dict[str, dict[str, Any]] = {
    "parsing": {
        "task": {"name": "dependency_parsing", "arc_size": 256},
        "train": {"ref": "ud-english-ewt:eng:train", "limit": 5000},
        "tests": PARSED,
        "metrics": ("uas_no_punct", "las_no_punct"),
        "epochs": 5,
    },
    "entities": {
        "task": {"name": "ner", "types": ["PER", "ORG", "LOC"]},
        "train": {"ref": "uner-english-ewt:eng:train", "limit": 5000},
        "tests": NAMED,
        "metrics": ("f1",),
        "epochs": 4,
    },
    "inference": {
        "task": {"name": "nli"},
        "train": "multinli-mt:eng:train",
        "tests": INFERRED,
        "metrics": ("accuracy",),
        "epochs": 2,
    },
}
RATE = 2e-4
"""Of the layers; those of the task learn with 1e-3."""
RANDOM = "random:"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", action="append", required=True, metavar="NAME=ENCODER")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--tasks", nargs="+", default=[*TASKS, "retrieval"])
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE",
                        help="for the training of all, as with `xlt train`")  # fmt: skip
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    models = dict(one.split("=", 1) for one in options.model)
    table: dict[str, dict[str, dict[str, float]]] = {}
    for name, given in models.items():
        encoder, _, rate = given.partition("@")
        for task in options.tasks:
            if task == "retrieval":
                table.setdefault("retrieval, accuracy@1", {})[name] = retrieval(encoder)
                continue
            for metric, scores in trained(
                task, name, encoder, float(rate or RATE), options
            ).items():
                table.setdefault(f"{task}, {metric}", {})[name] = scores
    for title, columns in table.items():
        languages = list(next(iter(columns.values())))
        print(f"\n| {title} | " + " | ".join(columns) + " |\n|---" + "|---" * len(columns) + "|")
        for language in languages:
            row = " | ".join(f"{scores[language]:.1f}" for scores in columns.values())
            print(f"| {language} | {row} |")
        for label, chosen in (("mean", languages), ("mean of 13", THIRTEEN)):
            if set(chosen) <= set(languages):
                row = " | ".join(f"{mean(s[x] for x in chosen):.1f}" for s in columns.values())
                print(f"| {label} | {row} |")


def trained(
    task: str, name: str, encoder: str, rate: float, options: argparse.Namespace
) -> dict[str, dict[str, float]]:
    """metric → language → mean over seeds, from a run that is made if it is not there."""
    recipe, folder = TASKS[task], options.folder
    run = folder / f"{task}-{name}"
    if not (run / "result.json").exists():
        source = encoder.removeprefix(RANDOM)
        tests = {code: {"test": test} for code, test in recipe["tests"].items()}
        config = {
            "name": run.name,
            "task": recipe["task"],
            "model": {"encoder": source, **({"initialise": "random"} if encoder != source else {})},
            "source": "eng",
            "target": list(tests),
            "data": {**tests, "eng": {"train": recipe["train"], **tests["eng"]}},
            "strategy": "zero_shot",
            "selection": {"on": "last"},
            "training": {
                "epochs": recipe["epochs"], "learning_rate": rate, "head_learning_rate": 0.001,
                "batch_tokens": 800, "adam_betas": [0.9, 0.95], "max_grad_norm": 5,
                "freeze": ["embeddings"] if encoder == source else [],
            },
            "evaluation": {"bootstrap": 100},
            "seeds": options.seeds,
            "output": {"root": str(folder)},
        }  # fmt: skip
        path = folder / f"{run.name}.yaml"
        path.write_text(json.dumps(config, indent=1), encoding="utf-8")
        command = [sys.executable, "-m", "xlt", "--quiet", "train", str(path), *options.set]
        subprocess.run(command, check=True)
    result = json.loads((run / "result.json").read_text(encoding="utf-8"))
    rows = [row for row in result["summary"] if row["primary"]]
    return {
        metric: {row["target"]: row["metrics"][metric]["mean"] for row in rows}
        for metric in recipe["metrics"]
    }


def retrieval(encoder: str) -> dict[str, float]:
    """Language → percent of held-out lines whose nearest English line is their translation."""
    import numpy as np

    from scripts.build_encoder.text import column
    from scripts.pretrain_mini.corpus import HELD_OUT, PIVOT
    from xlt.data import cards

    sides = {
        language: embed(encoder, column("ntrex", language, "test")[-HELD_OUT:])
        for language in cards.get("ntrex").languages
    }
    pivot = sides.pop(PIVOT)
    right = np.arange(HELD_OUT)
    return {
        language: 100 * float(((side @ pivot.T).argmax(1) == right).mean())
        for language, side in sides.items()
    }


def embed(encoder: str, sentences: list[str]) -> Any:
    """(sentences, width): centred unit vectors, the mean over a sentence's subwords."""
    import torch

    from xlt.config.schema import Model
    from xlt.data.prompt import pad_rows
    from xlt.model.backbone import Backbone

    source = encoder.removeprefix(RANDOM)
    torch.manual_seed(1)
    backbone = Backbone(source, Model(), random=source != encoder)
    model, words = backbone.encoder().eval(), backbone.words
    order = sorted(range(len(sentences)), key=lambda i: len(sentences[i]))
    vectors = torch.empty(len(sentences), model.config.hidden_size)
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        for begin in range(0, len(sentences), 32):
            chosen = order[begin : begin + 32]
            rows = [
                np.concatenate([words.prefix, ids[:254], words.suffix])
                for ids in words.subwords([sentences[i] for i in chosen])
            ]
            ids = pad_rows(rows, backbone.pad_id)
            lengths = torch.tensor([[len(row)] for row in rows])
            mask = (torch.arange(ids.shape[1]) < lengths).long()[..., None]
            states = model(input_ids=ids, attention_mask=mask[..., 0])
            vectors[chosen] = (states.last_hidden_state.float() * mask).sum(1) / mask.sum(1)
    vectors = torch.nn.functional.normalize(vectors - vectors.mean(0), dim=1)
    return vectors.numpy()


if __name__ == "__main__":
    main()
