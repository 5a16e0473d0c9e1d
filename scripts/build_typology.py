"""Build xlt/typology/table.npz, the one file that answers questions about languages.

    python -m scripts.build_typology TABLES [OUTPUT]

TABLES is a folder with WALS' wide table and Glottolog's languages (wals_language.csv.gz,
glottolog_languages.csv.gz). The rest comes from the data files of lang2vec and URIEL+ (the extra
`typology`), which are read and never imported: importing them writes files and configures logging.

What is not known stays 255 (or NaN): nothing is filled in but URIEL's own KNN completion, which is
kept apart from what was observed. Equal inputs give an equal file, byte for byte.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import json
import re
import sys
import zipfile
from collections import defaultdict
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from xlt import languages
from xlt.errors import XltError

UNKNOWN = 255
SCALE = 60  # sources that disagree are averaged: /2, /3, /4, /5 and /6 stay exact
PREFIXES = {"syntax": "S_", "phonology": "P_", "inventory": "INV_"}
LICENCES = {
    "URIEL (lang2vec 1.1.2)": "CC BY-SA 4.0; Littell et al. 2017",
    "URIEL+ (urielplus 1.3.2)": "CC BY-SA 4.0; Khan et al. 2025: lineage, coordinates",
    "Grambank 1.0.3 (through URIEL+)": "CC BY 4.0; Skirgård et al. 2023",
    "WALS Online": "CC BY 4.0; Dryer and Haspelmath (eds.) 2013",
    "Glottolog": "CC BY 4.0; Hammarström, Forkel, Haspelmath and Bank",
    "CLDR likely subtags (through langcodes)": "Unicode-3.0",
}


def main(tables: Path, output: Path) -> None:
    paths = _inputs(tables)
    glottolog = [row for row in _csv(paths["glottolog"]) if row["ISO639P3code"]]
    uriel = _uriel(paths)
    codes = _codes({row["ISO639P3code"] for row in glottolog} | set(uriel["codes"]))
    own = {code: n for n, code in enumerate(codes)}
    members = _members(codes)
    arrays: dict[str, Any] = {"codes": np.array(codes)}
    notes: dict[str, Any] = {"borrowed": {}}

    by_name = {row["ISO639P3code"]: row["Name"] for row in glottolog}
    names = [languages.name(code) for code in codes]
    notes["names"] = [
        by_name.get(code, name) if name == code else name
        for code, name in zip(codes, names, strict=True)
    ]
    arrays |= _places(codes, members, glottolog, paths["lineage"], notes)
    scripts = [languages.script(code) or "" for code in codes]
    notes["scripts"] = sorted({script for script in scripts if script})
    place = {script: n for n, script in enumerate(notes["scripts"])}
    arrays["script"] = np.array([place.get(s, UNKNOWN) for s in scripts], dtype=np.uint8)

    feats = uriel["features"]
    for domain, prefix in PREFIXES.items():
        columns = [n for n, name in enumerate(feats) if name.startswith(prefix)]
        observed = _spread(uriel["codes"], uriel["observed"][:, columns], own)
        completed = _spread(uriel["codes"], uriel["completed"][:, columns], own)
        giver = _givers(observed, codes, members, domain, notes)
        notes[domain] = [feats[n] for n in columns]
        arrays[domain] = observed[giver]
        # A row that borrows what was observed borrows the completion with it.
        arrays[f"{domain}_completed"] = completed[giver]
    for name, (row_codes, values) in {
        "wals": _wals(paths["wals"], notes),
        "grambank": _grambank(paths["grambank"], glottolog, notes),
    }.items():
        spread = _spread(row_codes, values, own)
        arrays[name] = spread[_givers(spread, codes, members, name, notes)]
    notes["licences"] = LICENCES
    notes["inputs"] = {
        name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in paths.items()
    }
    arrays["notes"] = np.frombuffer(
        json.dumps(notes, ensure_ascii=False, sort_keys=True).encode(), dtype=np.uint8
    )
    write_archive(arrays, output)
    print(f"{output}: {output.stat().st_size:,} bytes, {len(codes):,} languages")


def _inputs(tables: Path) -> dict[str, Path]:
    lang2vec, plus = _package("lang2vec") / "data", _package("urielplus") / "database"
    csvs = plus / "urielplus_csvs"
    paths = {
        "observed": lang2vec / "feature_averages.npz",
        "completed": lang2vec / "feature_predictions.npz",
        "grambank": csvs / "grambank_data.csv",
        "lineage": csvs / "lang_fam_geo.csv",
        "wals": tables / "wals_language.csv.gz",
        "glottolog": tables / "glottolog_languages.csv.gz",
    }
    for path in paths.values():
        if not path.is_file():
            raise XltError("there is no such file", where=path, fix="see the head of this script")
    return paths


def _package(name: str) -> Path:
    spec = find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        raise XltError(f"{name} is not installed", fix="pip install -e '.[typology]'")
    return Path(spec.submodule_search_locations[0])


def _csv(path: Path) -> list[dict[str, str]]:
    raw = path.read_bytes()
    text = (gzip.decompress(raw) if path.suffix == ".gz" else raw).decode("utf-8-sig")
    return list(csv.DictReader(io.StringIO(text, newline="")))


def _codes(candidates: set[str]) -> list[str]:
    """The valid ones: what `languages.code` gives back unchanged."""
    valid = set()
    for text in candidates:
        try:
            valid.add(languages.code(text))
        except XltError:
            continue
    whole = {macro for code in valid if (macro := languages.macrolanguage(code))}
    return sorted(valid | whole)


def _members(codes: list[str]) -> dict[str, tuple[list[str], list[str]]]:
    """Code → codes that are the same language, and codes it may take values from otherwise.

    A macrolanguage and its standard member are one; else a macrolanguage may take from its
    individuals, and an individual language from its macrolanguage.
    """
    parts = defaultdict(list)
    for code in codes:
        macro = languages.macrolanguage(code)
        if macro is not None:
            parts[macro].append(code)
    members = {}
    for code in codes:
        macro = languages.macrolanguage(code)
        whole = macro if macro and languages.same(code, macro) else code
        standard = [part for part in parts[whole] if languages.same(part, whole)]
        members[code] = ([whole, *standard], parts[whole] or [macro or code])
    return members


def _uriel(paths: dict[str, Path]) -> dict[str, Any]:
    with np.load(paths["observed"], allow_pickle=False) as seen:
        codes, features = list(map(str, seen["langs"])), list(map(str, seen["feats"]))
        mean = seen["data"][:, :, 0]
    with np.load(paths["completed"], allow_pickle=False) as filled:
        if codes != list(map(str, filled["langs"])) or features != list(map(str, filled["feats"])):
            raise XltError("lang2vec's two tables differ in their languages or features")
        completed = filled["data"][:, :, 0].astype(np.uint8)
    observed = np.where(mean < 0, UNKNOWN, np.rint(mean * SCALE)).astype(np.uint8)
    return {"codes": codes, "features": features, "observed": observed, "completed": completed}


def _wals(path: Path, notes: dict[str, Any]) -> tuple[list[str], Any]:
    """Values 1..n of every chapter; of several doculects with a code, the fullest."""
    rows = [row for row in _csv(path) if row["iso_code"]]
    chapters = [name for name in rows[0] if re.match(r"\d+[A-Z] ", name)]
    chapters.sort(key=lambda name: (int(re.match(r"\d+", name)[0]), name))  # type: ignore[index]
    best: dict[str, dict[str, str]] = {}
    for row in rows:
        known = sum(bool(row[name]) for name in chapters)
        before = best.get(row["iso_code"])
        if before is None or known > sum(bool(before[name]) for name in chapters):
            best[row["iso_code"]] = row
    labels: dict[str, dict[str, str]] = {name: {} for name in chapters}
    values = np.full((len(best), len(chapters)), UNKNOWN, dtype=np.uint8)
    for n, row in enumerate(best.values()):
        for m, name in enumerate(chapters):
            if row[name]:
                number, _, label = row[name].partition(" ")
                values[n, m] = int(number)
                labels[name][number] = label
    notes["wals"], notes["wals_values"] = chapters, labels
    return list(best), values


def _grambank(
    path: Path, glottolog: list[dict[str, str]], notes: dict[str, Any]
) -> tuple[list[str], Any]:
    iso = {row["Glottocode"]: row["ISO639P3code"] for row in glottolog}
    rows = [row for row in _csv(path) if row["language_id"] in iso]
    names = [name for name in rows[0] if name != "language_id"]
    values = np.array([[int(row[name]) for name in names] for row in rows])
    notes["grambank"] = names
    scaled = np.where(values < 0, UNKNOWN, values * SCALE).astype(np.uint8)
    return [iso[row["language_id"]] for row in rows], scaled


def _spread(row_codes: list[str], values: Any, own: dict[str, int]) -> Any:
    """Rows in the table's order; what several old codes say of one language: the fullest."""
    spread = np.full((len(own), values.shape[1]), UNKNOWN, dtype=np.uint8)
    known = (values != UNKNOWN).sum(1)
    for n in np.argsort(known, kind="stable"):
        try:
            row = own.get(languages.code(row_codes[n]))
        except XltError:
            continue
        if row is not None:
            spread[row] = values[n]
    return spread


def _givers(
    values: Any, codes: list[str], members: dict[str, Any], domain: str, notes: dict[str, Any]
) -> Any:
    """For every row, the row to take a domain's values from: itself or the fullest relative."""
    own = {code: n for n, code in enumerate(codes)}
    known = (values != UNKNOWN).sum(1)
    giver = np.arange(len(codes))
    for n, code in enumerate(codes):
        same, others = members[code]
        best = max((own[c] for c in same), key=lambda m: known[m])
        if not known[best]:
            best = max((own[c] for c in others if c in own), key=lambda m: known[m])
        if known[best] and (not known[n] or code in same):
            giver[n] = best
            if best != n:
                notes["borrowed"].setdefault(codes[n], {})[domain] = codes[best]
    return giver


def _places(
    codes: list[str],
    members: dict[str, Any],
    glottolog: list[dict[str, str]],
    lineages: Path,
    notes: dict[str, Any],
) -> dict[str, Any]:
    """Coordinates (degrees) and the path in Glottolog's tree (node numbers, -1 after its end).

    A macrolanguage stands where its standard member does, else where its first individual does.
    """
    about = {row["language_id"]: row for row in _csv(lineages)}
    # A language before its dialects, where both carry a code.
    rows = sorted(glottolog, key=lambda row: row["Level"] != "language")
    iso: dict[str, dict[str, str]] = {}
    for row in rows:
        if row["Glottocode"] in about:
            iso.setdefault(row["ISO639P3code"], row)
    nodes: dict[str, int] = {}
    paths, places, glottocodes = [], [], []
    for code in codes:
        same, others = members[code]
        from_code = next((c for c in (*same[1:], same[0], *others) if c in iso), None)
        entry = about[iso[from_code]["Glottocode"]] if from_code else None
        names = [n for n in entry["lineage"].split(", ") if n] if entry else []
        # The language is the leaf: an isolate is a family of one, and not unknown.
        leaf = [entry["language_id"]] if entry else []
        steps = [">".join(names[: n + 1]) for n in range(len(names))] + leaf
        paths.append([nodes.setdefault(step, len(nodes)) for step in steps])
        place = (entry["latitude"], entry["longitude"]) if entry else ("", "")
        places.append([float(text) if text else np.nan for text in place])
        glottocodes.append(entry["language_id"] if entry else "")
    width = max(map(len, paths))
    lineage = np.full((len(codes), width), -1, dtype=np.int16)
    for n, path in enumerate(paths):
        lineage[n, : len(path)] = path
    if len(nodes) > np.iinfo(np.int16).max:
        raise XltError("more nodes in the tree than 16 bits can number")
    leaves = {row["language_id"] for row in about.values()}
    notes["nodes"] = ["" if step in leaves else step.rpartition(">")[2] for step in nodes]
    return {
        "lineage": lineage,
        "coordinates": np.array(places, dtype=np.float32),
        "glottocodes": np.array(glottocodes),
    }


def write_archive(arrays: dict[str, Any], output: Path) -> None:
    # numpy's own writer is deterministic today; the fixed date here does not depend on it.
    with zipfile.ZipFile(output, "w") as archive:
        for name in sorted(arrays):
            buffer = io.BytesIO()
            np.lib.format.write_array(buffer, np.ascontiguousarray(arrays[name]))
            entry = zipfile.ZipInfo(f"{name}.npy", date_time=(1980, 1, 1, 0, 0, 0))
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, buffer.getvalue(), compresslevel=9)


if __name__ == "__main__":
    try:
        folder = Path(sys.argv[1])
    except IndexError:
        sys.exit(__doc__)
    default = Path(__file__).parents[1] / "xlt" / "typology" / "table.npz"
    main(folder, Path(sys.argv[2]) if len(sys.argv) > 2 else default)
