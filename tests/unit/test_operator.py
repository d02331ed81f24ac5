"""operator.py: what of Kopf is loaded."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import sys
import beemflow_secrets.operator
print([name for name in ("kopf", "kubernetes", "requests", "oauthlib") if name in sys.modules])
import kubernetes.client
"""


def test_kopf_brings_no_client_of_its_own_and_a_login_by_a_program_still_finds_one() -> None:
    ran = subprocess.run([sys.executable, "-W", "error", "-c", PROGRAM], capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "['kopf']\n", "")
