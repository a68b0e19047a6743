"""``millrace init``: a new project with the first example, ready to run.

Invariant: nothing that is there already is written over; when it cannot be finished, nothing of it stays.
"""

from __future__ import annotations

import csv
import io
from importlib import resources
from pathlib import Path

from millrace.core.errors import ConflictError
from millrace.data.atomic_output import write_file

TEMPLATE = "millrace.examples.breast_cancer"
PIPELINE, DATA, SETTINGS, README = "pipelines/pipeline.py", "data/breast_cancer.csv", "millrace.toml", "README.md"
FILES = (PIPELINE, DATA, SETTINGS, README)


def init_project(target: Path) -> list[Path]:
    """Write the example project below ``target``; the files. ConflictError when one of them is there already."""
    target = target.absolute()
    known = [name for name in FILES if (target / name).exists() or (target / name).is_symlink()]
    if known:
        raise ConflictError(
            f"there is a project already: {', '.join(known)}",
            where=str(target),
            remedy="Nothing was written. Name a new folder: millrace init FOLDER",
        )
    content = {name: template_file(name) for name in FILES if name != DATA} | {DATA: breast_cancer_csv()}
    made = [folder for folder in _folders(target) if not folder.exists()]
    written: list[Path] = []
    try:
        for name in FILES:
            write_file(target / name, content[name])
            written.append(target / name)
    except BaseException:
        _remove(written, made)
        raise
    return written


def template_file(name: str) -> bytes:
    """A file of the template, by its name in the project."""
    return resources.files(TEMPLATE).joinpath(Path(name).name).read_bytes()


def breast_cancer_csv() -> bytes:
    """scikit-learn's bundled table: 569 rows, 30 measurements and the ``diagnosis``, malignant or benign."""
    from sklearn.datasets import load_breast_cancer  # lazy: only whoever makes a project needs it

    bunch = load_breast_cancer()
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*map(str, bunch.feature_names), "diagnosis"])
    for row, label in zip(bunch.data.tolist(), bunch.target.tolist(), strict=True):
        writer.writerow([*row, str(bunch.target_names[label])])
    return text.getvalue().encode()


def _folders(target: Path) -> list[Path]:
    """The folders that the files stand in, outermost first."""
    inside = dict.fromkeys((target / name).parent for name in FILES)
    return sorted({*inside, *target.parents, target}, key=lambda folder: len(folder.parts))


def _remove(files: list[Path], folders: list[Path]) -> None:
    for file in files:
        file.unlink(missing_ok=True)
    for folder in reversed(folders):
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()
