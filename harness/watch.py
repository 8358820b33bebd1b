"""Watch what a stage rests on: hash code, study and inputs before it and after it.

A file that was changed and put back has the digest that it had, but not the time of its last
change (ctime), which only the machine's clock sets; nor has a folder that something came to and
went from.
Source: docs/adr/0010-drift-and-heads.md, which says also what that time does not tell.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from harness import codefiles, drift, files, provenance

Places = Mapping[str, Path]
# Of a place, and of what it leads to where it is a link; in ns.
Stamp = tuple[int, int]
Stamps = Mapping[str, Stamp | None]


class Watch:
    """The digests of one stage's code, study and inputs; made before anything else is done.

    study_path: None for what rests on no study file.
    """

    def __init__(self, repository: Path, study_path: Path | None = None) -> None:
        self._repository = repository
        self._study_path = study_path
        self._inputs: dict[str, Path] = {}
        self.before: dict[str, dict[str, str | None]] = {**self._code_and_study(), "inputs": {}}
        # Looked at once all is hashed: what is alike at both looks was alike all the time between.
        self._stamps = {group: _stamps(self._places(group)) for group in drift.GROUPS}

    def add_input(self, key: str, path: Path, sha256: str | None) -> None:
        """Watch an input, whose bytes the input gate has read.

        key: root and path in it.  sha256: of the bytes read; None where they could not be.
        """
        self._inputs[key] = path
        self.before["inputs"][key] = sha256 or files.sha256_or_none(path)
        self._stamps["inputs"] |= _stamps(_with_folders({key: path}))

    def record(self) -> dict[str, Any]:
        """Hash all of it again; return the record of both."""
        inputs = {key: files.sha256_or_none(path) for key, path in self._inputs.items()}
        after = {**self._code_and_study(), "inputs": inputs}
        touched = {
            group: _changed(self._stamps[group], _stamps(self._places(group)))
            for group in drift.GROUPS
        }
        return drift.record(self.before, after, touched)

    def _code_and_study(self) -> dict[str, dict[str, str | None]]:
        study = self._study_path
        return {
            "code": provenance.code_files(self._repository),
            "study": {provenance.portable(study): files.sha256_or_none(study)} if study else {},
        }

    def _places(self, group: str) -> Places:
        """Return where the files of a group lie, as they were before, and their folders.

        Of the study no folder: hubs come and go there.
        """
        if group == "inputs":
            return _with_folders(self._inputs)
        if group == "study":
            return {key: Path(self._study_path) for key in self.before["study"]}
        names = self.before["code"]
        return {name: self._repository / name for name in (*names, *codefiles.folders(names))}


def _with_folders(inputs: Places) -> dict[str, Path]:
    """Return inputs with the folders that hold them, each with a slash, from their root on."""
    above = {
        f"{name}/": folder
        for key, path in inputs.items()
        for name, folder in zip(PurePosixPath(key).parents, path.parents, strict=False)
        if name.name
    }
    return {**inputs, **above}


def _stamps(places: Places) -> dict[str, Stamp | None]:
    """Return when each file or folder was last changed; None where there is none."""
    return {name: _changed_at(path) for name, path in places.items()}


def _changed_at(path: Path) -> Stamp | None:
    try:
        return path.lstat().st_ctime_ns, path.stat().st_ctime_ns
    except OSError:
        return None


def _changed(one: Stamps, other: Stamps) -> list[str]:
    return sorted(name for name, stamp in one.items() if other[name] != stamp)
