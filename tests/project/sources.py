"""The project's own source files, whether or not there is a git to ask."""

import os
import pathlib

ROOT = pathlib.Path(__file__).resolve().parents[2]


def sources(*suffixes):
    """Paths relative to the root, sorted; build folders and hidden ones are left out."""
    found = []
    for folder, folders, files in os.walk(ROOT):
        top = pathlib.Path(folder) == ROOT
        folders[:] = [f for f in folders if not f.startswith(".") and f != "__pycache__"
                      and not (top and f.startswith("build"))]
        found += [pathlib.Path(folder, f).relative_to(ROOT).as_posix() for f in files if f.endswith(suffixes)]
    return sorted(found)
