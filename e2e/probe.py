"""Whether this machine can have the cluster of `make e2e`: it starts one, runs a pod there, and takes it away again."""

from __future__ import annotations

import signal
import sys
import tempfile
from pathlib import Path

from e2e.clusters.choose import with_node
from e2e.clusters.cluster import ClusterFailed
from e2e.prepare import PODS

PATIENCE = 60
"""Seconds until the pod runs."""


def main() -> int:
    """Say on stderr why there can be none."""
    # `timeout` ends us by this: what was started is taken away all the same.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    with tempfile.TemporaryDirectory(prefix="beemflow-") as state:
        cluster = with_node(Path(state) / "cluster")
        try:
            cluster.start()
            cluster.kubectl("run", "probe", f"--image={cluster.load(PODS)}", "--image-pull-policy=Never")
            cluster.kubectl("wait", "--for=condition=Ready", "pod/probe", f"--timeout={PATIENCE}s")
        except ClusterFailed as failed:
            print(f"e2e: {failed}", file=sys.stderr)
            return 1
        finally:
            cluster.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
