"""`make e2e`, before its tests: what a cluster with a node is made of, and the images that run there."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from e2e.clusters.build import build_node
from e2e.clusters.choose import default
from e2e.clusters.golang import BuildFailed

HERE = Path(__file__).parent
OPERATOR = "beemflow-secrets:e2e"
PODS = "beemflow-e2e:1"
"""What the tests' own pods run, see pods/Dockerfile."""


def main() -> int:
    """Make what is missing; what each step says goes to stderr."""
    try:
        if default() == "own":
            subprocess.run([HERE / "packages.sh"], check=True)
            build_node()
        subprocess.run([HERE / "image.sh", OPERATOR], stdout=sys.stderr, check=True)
        subprocess.run([HERE / "image.sh", PODS, HERE / "pods" / "Dockerfile"], stdout=sys.stderr, check=True)
    except subprocess.CalledProcessError as failed:
        print(f"e2e: {Path(failed.cmd[0]).name} failed", file=sys.stderr)
        return 1
    except BuildFailed as failed:
        print(f"e2e: {failed}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
