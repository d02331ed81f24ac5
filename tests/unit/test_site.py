"""The site of docs/: no link leads nowhere, what is made from code is current, and its resources are taken."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from beemflow_secrets.model import names
from docs import reference
from tests.unit.model.test_specs import MODELS

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"


def resources() -> Iterator[Any]:
    """Yield all resources of ours in pages and examples."""
    blocks = re.compile(r"^```yaml\n(.*?)^```", re.DOTALL | re.MULTILINE)
    texts = {page: blocks.findall(page.read_text()) for page in DOCS.rglob("*.md")}
    texts |= {file: [file.read_text()] for file in (ROOT / "examples").rglob("*.yaml")}
    for file, written in texts.items():
        for document in (one for text in written for one in yaml.safe_load_all(text)):
            if isinstance(document, dict) and str(document.get("apiVersion")).startswith(names.GROUP):
                name = f"{file.relative_to(ROOT)}-{document['kind']}-{document['metadata']['name']}"
                yield pytest.param(document["kind"], document["spec"], id=name)


@pytest.mark.parametrize(("kind", "spec"), list(resources()))
def test_what_stands_in_docs_and_examples_is_taken(kind: str, spec: object) -> None:
    MODELS[kind].model_validate(spec)


def test_what_is_made_from_code_is_current() -> None:
    assert {page.name: page.read_text() for page in reference.FOLDER.iterdir()} == reference.pages()


def test_no_link_leads_nowhere(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "sphinx", "--quiet", "--fail-on-warning", "--keep-going", "--nitpicky"]
    ran = subprocess.run([*build, DOCS, tmp_path], capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")
    assert (tmp_path / "index.html").exists()
