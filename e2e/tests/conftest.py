"""A cluster with a node, made once; the operator, installed anew for each module; OpenBao beside it.

A module says how the operator is installed by a fixture `operator` of its own: by_manifests, or by_chart.
"""

from __future__ import annotations

import secrets
from base64 import b64encode
from string import Template
from typing import TYPE_CHECKING

import pytest
from helm_python import Config

from e2e.chart import CHART
from e2e.clusters.choose import default, with_node
from e2e.prepare import OPERATOR, PODS
from e2e.tests.words import NAME, PATIENCE, ROOT, SYSTEM, Namespace, OpenBao, install

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from e2e.clusters.choose import ClusterWithNode

# What kind's nodes leave behind is Docker's to look after.
collect_ignore = ["test_node.py"] if default() == "kind" else []


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClusterWithNode]:
    made = with_node(tmp_path_factory.mktemp("cluster"))
    made.start()
    yield made
    made.stop()


@pytest.fixture(scope="session")
def pods(cluster: ClusterWithNode) -> str:
    """The image that pods of tests run."""
    return cluster.load(PODS)


@pytest.fixture(scope="session")
def image(cluster: ClusterWithNode) -> str:
    """The operator's image."""
    return cluster.load(OPERATOR)


@pytest.fixture(scope="module")
def system(cluster: ClusterWithNode) -> Iterator[Namespace]:
    """The operator's namespace, which admits only restricted pods."""
    cluster.kubectl("create", "namespace", SYSTEM)
    cluster.kubectl("label", "namespace", SYSTEM, "pod-security.kubernetes.io/enforce=restricted")
    yield Namespace(cluster, SYSTEM)
    cluster.kubectl("delete", "--ignore-not-found", "namespace", SYSTEM)


@pytest.fixture(scope="module")
def by_manifests(cluster: ClusterWithNode, system: Namespace, image: str) -> Iterator[Namespace]:
    """The operator as manifests/install.yaml has it, with the image that was built."""
    cluster.apply(install(image))
    system.kubectl("rollout", "status", f"deployment/{NAME}", f"--timeout={PATIENCE}s")
    yield system
    cluster.kubectl("delete", "--ignore-not-found", "-f", str(ROOT / "manifests" / "install.yaml"))


@pytest.fixture(scope="module")
def by_chart(cluster: ClusterWithNode, system: Namespace, image: str) -> Iterator[Callable[..., Config]]:
    """What installs the chart, by Helm itself; it is uninstalled in the end, and the kinds after it."""
    with Config(kubeconfig_path=cluster.kubeconfig, namespace=SYSTEM) as helm:

        def install(**values: object) -> Config:
            repository, _, tag = image.rpartition(":")
            ours = {"image": {"repository": repository, "tag": tag}, **values}
            helm.install(CHART, NAME, ours, namespace=SYSTEM, wait="watcher", timeout=PATIENCE)
            return helm

        yield install
        helm.uninstall(NAME, ignore_not_found=True, wait="watcher", timeout=PATIENCE)
    cluster.kubectl("delete", "--ignore-not-found", "-f", str(ROOT / "crds"))


@pytest.fixture
def ns(cluster: ClusterWithNode, operator: object) -> Iterator[Namespace]:
    """A namespace of the test's own."""
    namespace = Namespace(cluster, f"test-{secrets.token_hex(4)}")
    cluster.kubectl("create", "namespace", namespace.name)
    yield namespace
    cluster.kubectl("delete", "namespace", namespace.name, "--wait=false")


@pytest.fixture(scope="session")
def openbao(cluster: ClusterWithNode, pods: str) -> OpenBao:
    root = secrets.token_hex(16)
    cluster.apply(Template((ROOT / "e2e" / "pods" / "openbao.yaml").read_text()).substitute(image=pods, root=root))
    cluster.kubectl("rollout", "status", "deployment/openbao", "-n", "openbao", f"--timeout={PATIENCE}s")
    server = OpenBao(cluster)
    server.bao("auth", "enable", "kubernetes")
    server.bao("write", "auth/kubernetes/config", "kubernetes_host=https://kubernetes.default.svc")
    return server


@pytest.fixture
def canary(cluster: ClusterWithNode) -> Iterator[Callable[[], str]]:
    """What makes values that nothing may show but the Secrets that hold them: logs, resources, Events, ConfigMaps."""
    made: list[str] = []

    def value() -> str:
        made.append(secrets.token_hex(16))
        return made[-1]

    yield value
    said = cluster.kubectl("logs", "-n", SYSTEM, "-l", f"app.kubernetes.io/name={NAME}", "--tail=-1")
    said += cluster.kubectl("get", "beemflow,events,configmaps,pods", "-A", "-o", "yaml")
    assert made
    assert [shown for one in made for shown in (one, b64encode(one.encode()).decode()) if shown in said] == []
