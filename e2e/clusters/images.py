"""Images that e2e/image.sh made, as archives that clusters take."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from e2e.clusters.cluster import run

if TYPE_CHECKING:
    from collections.abc import Iterator

_IMAGE = Path(__file__).parents[1] / "image.sh"


@contextmanager
def saved(image: str, folder: Path) -> Iterator[tuple[str, Path]]:
    """Write an image to an archive that lies in a folder meanwhile; yield its name there, and the archive."""
    archive = folder.absolute() / "image.tar"
    try:
        yield run([_IMAGE, "--save", image, archive]).strip(), archive
    finally:
        archive.unlink(missing_ok=True)
