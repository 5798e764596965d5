"""The places that options name: whether a file can be written, or a place is one, is known before any work begins."""

from __future__ import annotations

import os
from pathlib import Path

import click
from model_zoo.errors import AidrugError

DEVICES = Path("/dev")


class OutFile(click.Path):
    """A file that will be written, in a folder that is there unless the command makes it.

    Whole files replace earlier ones, which no stream or device survives: neither is accepted, and nor is `-`.
    """

    def __init__(self, *, makes_folder: bool = False) -> None:
        super().__init__(dir_okay=False, path_type=Path)
        self._makes_folder = makes_folder

    def convert(self, value: str | os.PathLike[str], param: click.Parameter | None, ctx: click.Context | None) -> Path:
        """Return the path.

        Raises
        ------
        AidrugError
            When it is no file, its folder is not there, or nothing may be written to it.
        """
        path = Path(os.fsdecode(super().convert(value, param, ctx)))
        option = param.opts[-1] if param is not None else "--out"
        if not path.name or str(path) == "-" or path.parent == DEVICES or (path.exists() and not path.is_file()):
            raise AidrugError(f"{option}: expected the name of a file, got {str(value)!r}")
        folder = path.parent
        while self._makes_folder and not folder.exists():
            folder = folder.parent
        if not folder.is_dir():
            raise AidrugError(
                f"{option}: expected a file in a folder that exists, got {str(path)!r}: there is no folder {folder}"
            )
        if not os.access(folder, os.W_OK | os.X_OK) or (path.exists() and not os.access(path, os.W_OK)):
            raise AidrugError(f"{option}: expected a file that you may write, got {str(path)!r}: permission denied")
        return path


def named_place(_: click.Context, param: click.Parameter, place: str | None) -> str | None:
    """Return a folder or address as it was given: an empty one would mean the folder that somebody is in.

    Raises
    ------
    AidrugError
        When it is empty.
    """
    if place is not None and not place.strip():
        raise AidrugError(f"{param.opts[0]}: expected a folder or an address, got {place!r}")
    return place
