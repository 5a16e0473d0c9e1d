"""What `xlt predict-source` prints."""

from __future__ import annotations

from typing import Any

from xlt.evaluation.report import Table


def lines(result: dict[str, Any], explain: bool) -> list[str]:
    """The table of sources, what it rests on, and whatever else was asked for."""
    terms = ("prior", "data", "genetic", "geographic", "syntactic", "lexical", "script")
    shown = [*result["sources"], *result["references"].values()]
    terms = tuple(dict.fromkeys([*terms, *(term for source in shown for term in source["terms"])]))
    # What is reported and is no part of a score.
    more = tuple(name for name in ("data", "pretraining") if any(name in s for s in shown))
    rows = [_row(str(source["rank"]), source, terms, more) for source in result["sources"]]
    for label, source in result["references"].items():
        rows.append(_row(label, source, terms, more))
    header = ("", "language", "expected", "80 %", *terms, *more, "confidence")
    said = [
        f"sources for {result['name']} ({result['target']}), {result['task']}: "
        f"{len(result['sources'])} of {result['candidates']} candidates",
        Table(header, tuple(rows), frozenset(range(2, len(header) - 1))).text(),
        *_evidence(result["evidence"]),
        *_own(result["own"], result["target"]),
        *(_text(result["text"]) if "text" in result else []),
        *(_models(result["source_models"]) if "source_models" in result else []),
        *([_pretraining(result["pretraining"], result["name"])] if "pretraining" in result else []),
        *(f"note: {text}" for text in result["notes"]),
    ]
    if any(source["imputed"] for source in result["sources"]):
        said.append("* nothing is recorded: what is usual at that genetic and geographic distance")
    if "climb" in result:
        said += _climb(result["climb"])
    elif "osborn" in result:
        said += _osborn(result["set"], result["osborn"])
    elif "set" in result:
        said.append(
            f"together (heuristic: by score, unlike one another): {', '.join(result['set'])}"
        )
    if "budget" in result:
        said += _budget(result["budget"])
    for chain in result.get("chains", ()):
        steps = f"{chain['source']} → {chain['via']} → {result['target']}"
        said.append(f"chain (heuristic: nobody has measured chains): {steps}")
    if "map" in result:
        said.append(f"wrote {result['map']['file']}")
    if "few_shot" in result:
        said += _few_shot(result["few_shot"])
    if explain:
        for source in result["sources"]:
            said += _explanation(source, result["name"])
    return said


def _row(
    first: str, source: dict[str, Any], terms: tuple[str, ...], more: tuple[str, ...]
) -> tuple[str, ...]:
    interval = source["interval"]
    return (
        first,
        f"{source['name']} ({source['language']})",
        "?" if source["expected"] is None else f"{source['expected']:.1f}",
        ("" if source["own"] else "?")
        if interval is None
        else f"[{interval[0]:.0f}, {interval[1]:.0f}]",
        *(
            f"{source['terms'][term]:+z.2f}{'*' if term in source['imputed'] else ''}"
            if term in source["terms"]
            else ""
            for term in terms
        ),
        *(_said(source.get(name)) for name in more),
        source["confidence"],
    )


def _said(value: Any) -> str:
    return str(value["text"] if isinstance(value, dict) else value or "")


def _pretraining(seen: dict[str, str], name: str) -> str:
    return f"{seen['encoder']} in pretraining ({seen['source']}): {name} {seen['target']}"


def _evidence(matrices: list[dict[str, str]]) -> list[str]:
    if not matrices:
        return []
    first, *others = matrices
    more = f", and {len(others)} more table{'s' * (len(others) > 1)}" if others else ""
    return [
        f"measured: {first['name']} ({first['paper']}; {first['model']}, {first['metric']}){more}"
    ]


def _own(own: dict[str, Any] | None, target: str) -> list[str]:
    if own is None:
        return []
    encoder = f", {own['encoder']}" if own["encoder"] else ""
    left = f"; {own['ignored']} with another metric or encoder left out" if own["ignored"] else ""
    return [
        f"own runs took part: {', '.join(own['names'])} ({own['on_target']} scores on {target}, "
        f"{own['on_others']} on other targets; {own['metric']}{encoder}){left}"
    ]


def _text(compared: dict[str, Any]) -> list[str]:
    measures = " and ".join(compared["measures"])
    model = f" of {compared['encoder']}" if compared["encoder"] else ""
    lacking = compared["without_text"]
    return [
        f"text: {measures}{model}, {compared['sentences']} sentences of {compared['file']} against "
        f"text of {len(compared['origins'])} languages",
        *([f"no text here of {', '.join(lacking)}: no term"] if lacking else []),
        *(f"warning: {text}" for text in compared["warnings"]),
    ]


def _models(compared: dict[str, Any]) -> list[str]:
    found = ", ".join(f"{code} {value:.1f}" for code, value in compared["agreement"].items())
    return [
        f"agreement of source models on {compared['sentences']} sentences, the mean "
        f"{compared['metric']} of each against the others: {found}"
    ]


def _osborn(chosen: list[str], about: dict[str, Any]) -> list[str]:
    """What each part costs, of those that are chosen first: the less, the better."""
    names = [*chosen, *(code for code in about["domain"] if code not in chosen)]
    rows = [
        (
            code,
            f"{about['domain'][code]:.2f}",
            f"{about['task'][code]:.2f}",
            *("" if one == code else f"{about['disagreement'][code][one]:.2f}" for one in names),
        )
        for code in names
    ]
    header = ("costs", "domain", "task", *(f"beside {one}" for one in names))
    return [
        f"together (after OSBORN, by their models on {about['sentences']} sentences; labels of the "
        f"target are what most models say): {', '.join(chosen)}",
        Table(header, tuple(rows), frozenset(range(1, len(header)))).text(),
    ]


def _climb(climbed: dict[str, Any]) -> list[str]:
    said = [
        f"together (heuristic, after TOWER): {', '.join(climbed['sources'])}",
        f"  the climb begins at {climbed['proxy']}, the nearest by syntax",
    ]
    for added, worth, taken in climbed["steps"]:
        shown = ", ".join(added[:8]) + (f" and {len(added) - 8} more" if len(added) > 8 else "")
        verdict = "taken in" if taken else "the climb ends"
        said.append(f"  {shown}: {worth:+z.1f} sd as sources for {climbed['proxy']}, {verdict}")
    if climbed["imputed"]:
        said.append(f"  nothing is recorded of the syntax of {', '.join(climbed['imputed'])}")
    return said


def _budget(division: dict[str, Any]) -> list[str]:
    rows = tuple(
        (
            share["language"],
            f"{share['examples']:,}",
            share["card"] or "to be labelled or translated",
            "?" if share["available"] is None else f"{share['available']:,}",
        )
        for share in division["shares"]
    )
    header = ("source", "examples", "from", "there are")
    return [
        "",
        f"{division['examples']:,} training examples, evenly (several sources beat one; how "
        "they are divided matters little: Budget-Xfer 2026, African NER and sentiment)",
        Table(header, rows, frozenset((1, 3))).text(),
        *([f"wrote {division['config']}"] if division["config"] else []),
    ]


def _few_shot(forecast: dict[str, Any]) -> list[str]:
    rows = tuple(
        (
            f"{row['n']:,}",
            f"{row['expected']:.1f}",
            "[{:.0f}, {:.0f}]".format(*row["interval"]),
            ", ".join(f"{score:.1f}" for score in row["measured"]),
        )
        for row in forecast["curve"]
    )
    said = [
        "",
        f"with n labelled target examples: {forecast['a']:.1f} + {forecast['b']:.2f} · log(1 + n), "
        f"fitted to {forecast['fitted_to']}",
        Table(("n", "expected", "80 %", "measured"), rows, frozenset(range(4))).text(),
        f"how fast scores grow, before your runs: {forecast['prior']}",
    ]
    for reach in forecast["reach"]:
        n = {name: _count(count) for name, count in reach["examples"].items()}
        middle = f"about {n['expected']} examples" if n["expected"] else "out of reach"
        best = f"at best {n['best']}" if n["best"] else "out of reach even at best"
        worst = f"at worst {n['worst']}" if n["worst"] else "at worst never"
        said.append(f"for a score of {reach['score']:g}: {middle} (80 %: {best}, {worst})")
    return said


def _count(n: int | None) -> str:
    """Two digits of it: a forecast knows no more. Empty where no sum of examples is enough."""
    return "" if n is None else f"{round(n, 2 - len(str(n))):,}"


def _explanation(source: dict[str, Any], target: str) -> list[str]:
    known = [
        f"{kind} {value:.2f}" for kind, value in source["distances"].items() if value is not None
    ]
    measured = source["measured"]
    recorded = ", ".join(
        f"{domain} {own:.0%} and {other:.0%}" for domain, (own, other) in source["recorded"].items()
    )
    count = f"{source['compared']} features of WALS are recorded of both; these differ:"
    return [
        "",
        f"{source['name']} → {target}: distances {', '.join(known)}",
        *([f"  measured: {measured:.1f}"] if measured is not None else []),
        *(f"  {kind}: {why}" for kind, why in source["unknown"].items()),
        f"  recorded in URIEL of the two: {recorded}",
        f"  {count if source['differences'] else count.replace('these differ:', 'none differs')}",
        *(f"  {d['feature']}: {d['source']} → {d['target']}" for d in source["differences"]),
    ]


def analysis(analyses: dict[str, Any]) -> list[str]:
    """What `xlt analyse-typology` prints: name of a matrix → its effects and its regression."""
    header = ("alike in", "alike", "different", "unknown", "difference", "p", "adjusted")
    said = []
    for name, about in analyses.items():
        rows = tuple(
            (
                e["trait"],
                *(str(e[count]) for count in ("alike", "different", "unknown")),
                f"{e['difference']:+z.1f}",
                f"{e['p']:.3f}",
                f"{e['p_adjusted']:.3f}",
            )
            for e in about["alike"]
        )
        said += [name, Table(header, rows, frozenset(range(1, 7))).text(), ""]
        said += _regression(about["regression"])
    return said[:-1]


def _regression(regression: dict[str, Any] | None) -> list[str]:
    if regression is None:
        return []
    rows = tuple(
        (
            term["feature"],
            f"{term['coefficient']:+z.1f} ± {term['error']:.1f}",
            f"{term['alone']:.1f}",
            f"{term['without']:.1f}",
        )
        for term in regression["terms"]
    )
    lacking = ", ".join(regression["left_out"])
    header = ("score by", "points a sd", "error alone", "error of the others")
    return [
        f"regression over {regression['pairs']} pairs: {regression['explained']:.0%} of the "
        f"variance; error on targets left out {regression['error']:.1f}, "
        f"of the mean {regression['constant']:.1f}"
        + (f"; known of too few pairs: {lacking}" if lacking else ""),
        Table(header, rows, frozenset(range(1, 4))).text(),
        "",
    ]
