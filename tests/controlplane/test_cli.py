"""The verbs that speak to a cluster, typed as a person types them."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import struct
import subprocess
import sys
import termios
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml

from beemflow_secrets.model.names import GROUP
from e2e.clusters.build import binaries
from tests.controlplane.conftest import entry, spec, until
from tests.support.push import match, push

if TYPE_CHECKING:
    from collections.abc import Callable

    from e2e.clusters.controlplane import ControlPlane
    from tests.support.api import Namespace
    from tests.support.faultproxy import FaultProxy

pytestmark = pytest.mark.usefixtures("operator", "store")

TOKEN = entry("token", "slack#token")

Ran = subprocess.CompletedProcess[str]


@pytest.fixture
def cli(control_plane: ControlPlane, ns: Namespace) -> Callable[..., Ran]:
    """Run a verb as admin, in the test's namespace."""

    def run(*arguments: str, scope: tuple[str, ...] = ("-n", ns.name), **environment: str) -> Ran:
        return subprocess.run(
            [sys.executable, "-m", "beemflow_secrets", *arguments, *scope],
            env={"PATH": os.environ["PATH"], "KUBECONFIG": str(control_plane.kubeconfig), **environment},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    return run


def test_status_says_how_all_stand_and_why_one_does_not(
    ns: Namespace, put: Callable[..., int], cli: Callable[..., Ran], canary: str
) -> None:
    put("slack", token=canary)
    ns.add("good", spec(TOKEN))
    ns.add("bad", spec(entry("token", "stripe/key")))
    ns.ready("good")
    ns.ready("bad", "False")
    ns.store_ready("prod")
    ran = cli("status")
    assert ran.returncode == 0, ran.stderr
    header, *lines = ran.stdout.splitlines()
    assert header.split() == ["NAME", "STORE", "READY", "REASON", "LAST", "SYNC", "EXPIRES"]
    rows = {line.split()[0]: line.split() for line in lines[:2]}
    assert rows["bad"][:4] == ["bad", "prod", "False", "KeyNotFound"]
    assert rows["good"][:4] == ["good", "prod", "True", "Synced"]
    assert lines[2:] == [
        "",
        f"{ns.name}/bad",
        f"  store:    BeemFlowSecretStore {ns.name}/prod: Valid: the store serves [prod (vault) Healthy]",
        "  message:  store prod: key stripe/key: no such key, or no such version of it (for token)",
        "  cause:    The backend answers, and has no such secret below the store's prefix, or no such version.",
        "  next:     within a minute, and at once when its store is back",
        f"  run next: kubectl edit bfs -n {ns.name} bad",
    ]
    assert canary not in ran.stdout + ran.stderr


def test_status_of_one_says_when_it_is_read_next(
    ns: Namespace, put: Callable[..., int], cli: Callable[..., Ran], canary: str
) -> None:
    put("slack", token=canary)
    ns.add("slack", spec(TOKEN))
    ns.ready("slack")
    ran = cli("status", "slack")
    assert "  next:     20" in ran.stdout
    assert ", in " in ran.stdout


@pytest.mark.parametrize("form", ["json", "yaml"])
def test_status_as_data(
    ns: Namespace, put: Callable[..., int], cli: Callable[..., Ran], form: str, canary: str
) -> None:
    put("slack", token=canary)
    ns.add("slack", spec(TOKEN))
    ns.ready("slack")
    ran = cli("status", "slack", "-o", form)
    data = json.loads(ran.stdout) if form == "json" else yaml.safe_load(ran.stdout)
    assert (data["name"], data["ready"], data["reason"]) == ("slack", "True", "Synced")
    assert data["entries"][0]["remoteKey"] == "slack#token"
    assert isinstance(json.loads(cli("status", "-o", "json").stdout), list)


def test_status_of_what_is_not_there_names_the_nearest(ns: Namespace, cli: Callable[..., Ran]) -> None:
    ns.add("slack", spec(TOKEN))
    ran = cli("status", "slak")
    assert (ran.returncode, ran.stdout) == (1, "")
    assert ran.stderr == f"no BeemFlowSecret slak in namespace {ns.name}; did you mean slack?\n"


def test_status_of_all_namespaces(ns: Namespace, cli: Callable[..., Ran]) -> None:
    ns.add("slack", spec(TOKEN))
    ran = cli("status", scope=("-A",))
    assert ran.stdout.startswith("NAMESPACE")
    assert any(line.split()[:2] == [ns.name, "slack"] for line in ran.stdout.splitlines())


def test_status_shows_the_push_or_the_stamp_that_a_missing_secret_waits_for(
    ns: Namespace, put: Callable[..., int], cli: Callable[..., Ran], canary: str
) -> None:
    put("slack", token=canary)
    ns.add("slack", spec(TOKEN))
    ns.ready("slack")
    ns.add_push("up", push(match("token", "shared"), secret="absent"))
    ns.push_ready("up", "False")
    nowhere = {"secretSpec": spec(TOKEN), "secretName": "stamped", "namespaces": {"names": ["absent"]}}
    with ns.cluster_secret(nowhere):
        ns.cluster_secret_ready("False")
        ran = cli("status")
        assert (ran.returncode, ran.stderr) == (0, "")
        secrets, beside = ran.stdout.split("\n\n", 1)
        assert secrets.splitlines()[1].split()[:4] == ["slack", "prod", "True", "Synced"]
        header, pushed, stamped, _, *explained = beside.splitlines()
        assert header.split() == ["KIND", "NAME", "STORE", "READY", "REASON", "LAST", "SYNC"]
        assert pushed.split()[:4] == ["BeemFlowPushSecret", "up", "prod", "False"]
        assert stamped.split()[:4] == ["BeemFlowClusterSecret", ns.name, "prod", "False"]
        assert explained[0] == f"BeemFlowPushSecret {ns.name}/up"
        assert explained[1].startswith("  message:  ")
        assert "absent" in explained[1]
        assert explained[2] == f"  run next: kubectl describe bfps -n {ns.name} up"
        assert explained[4] == f"BeemFlowClusterSecret {ns.name}"
        assert explained[6] == f"  run next: kubectl describe bfcs {ns.name}"
        # By name: the secret alone where there is one; else what would bring it.
        assert "PushSecret" not in cli("status", "slack").stdout
        assert f"BeemFlowPushSecret {ns.name}/up" in cli("status", "up").stdout
        assert f"BeemFlowClusterSecret {ns.name}" in cli("status", "stamped").stdout
        assert cli("status", "stamp").returncode == 1
        told = json.loads(cli("status", "-o", "json").stdout)
        assert [(one.get("kind"), one["name"], one["ready"]) for one in told] == [
            (None, "slack", "True"),
            ("BeemFlowPushSecret", "up", "False"),
            ("BeemFlowClusterSecret", ns.name, "False"),
        ]
        assert json.loads(cli("status", "up", "-o", "json").stdout)["run_next"].endswith(" up")
        wide = cli("status", scope=("-A",)).stdout.splitlines()
        assert ["BeemFlowClusterSecret", ns.name, "prod"] in [line.split()[:3] for line in wide]
        assert [ns.name, "BeemFlowPushSecret", "up"] in [line.split()[:3] for line in wide]


def test_a_kind_that_may_not_be_listed_is_a_line_and_the_rest_is_shown(
    ns: Namespace, put: Callable[..., int], control_plane: ControlPlane, cli: Callable[..., Ran], canary: str
) -> None:
    put("slack", token=canary)
    ns.add("slack", spec(TOKEN))
    ns.ready("slack")
    ns.api.create(f"/api/v1/namespaces/{ns.name}/serviceaccounts", {"metadata": {"name": "dev"}})
    kubeconfig = control_plane.kubeconfig_for("dev", ns.name)
    rights = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{ns.name}"
    rule = {"apiGroups": [GROUP], "resources": ["beemflowsecrets", "beemflowsecretstores"], "verbs": ["get", "list"]}
    ns.api.create(f"{rights}/roles", {"metadata": {"name": "dev"}, "rules": [rule]})
    ref = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "dev"}
    subject = {"kind": "ServiceAccount", "name": "dev", "namespace": ns.name}
    ns.api.create(f"{rights}/rolebindings", {"metadata": {"name": "dev"}, "subjects": [subject], "roleRef": ref})
    until(lambda: cli("status", KUBECONFIG=str(kubeconfig)).returncode == 0)  # until the API server knows the right
    ran = cli("status", KUBECONFIG=str(kubeconfig))
    assert ran.stdout.splitlines()[1].split()[:4] == ["slack", "prod", "True", "Synced"]
    pushes, stamps = ran.stderr.splitlines()
    assert pushes.startswith("BeemFlowPushSecrets are not shown: beemflowpushsecrets.secrets.beemflow.io is forbidden")
    assert stamps.startswith("BeemFlowClusterSecrets are not shown: beemflowclustersecrets.secrets.beemflow.io is forb")


def test_a_right_that_lacks_is_a_line_to_run(
    ns: Namespace, put: Callable[..., int], cli: Callable[..., Ran], control_plane: ControlPlane, canary: str
) -> None:
    put("slack", token=canary)
    message = (
        'Secret slack: secrets is forbidden: User "system:serviceaccount:beemflow-system:beemflow-secrets" cannot '
        f'create resource "secrets" in API group "" in the namespace "{ns.name}"'
    )
    # As the operator would write it, were the right taken from it: it is suspended, so that it does not.
    ns.add("slack", spec(TOKEN, suspend=True))
    ns.ready("slack", "Unknown")
    condition = {"type": "Ready", "status": "False", "reason": "WriteRefused", "message": message}
    condition["lastTransitionTime"] = "2026-01-01T00:00:00Z"
    ns.api.patch(f"{ns.path('slack')}/status", {"status": {"conditions": [condition]}})
    line = next(line for line in cli("status").stdout.splitlines() if "run next" in line).partition(": ")[2].strip()
    assert line == (
        f"kubectl auth can-i create secrets -n {ns.name} --as system:serviceaccount:beemflow-system:beemflow-secrets"
    )
    assert control_plane.kubectl(*line.split()[1:]).strip() == "yes"


def test_a_pipe_gets_whole_values_and_a_narrow_terminal_gets_all_of_them(
    ns: Namespace, cli: Callable[..., Ran], control_plane: ControlPlane
) -> None:
    name = "a-secret-whose-name-is-longer-than-a-narrow-terminal"
    ns.add(name, spec(TOKEN))
    assert f"\n{name} " in cli("status").stdout
    terminal, end = pty.openpty()
    fcntl.ioctl(end, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 40, 0, 0))
    subprocess.run(
        [sys.executable, "-m", "beemflow_secrets", "status", "-n", ns.name],
        env={"PATH": os.environ["PATH"], "KUBECONFIG": str(control_plane.kubeconfig), "TERM": "xterm"},
        stdout=end,
        check=True,
    )
    os.close(end)
    shown = os.read(terminal, 65536).decode().partition(f"{ns.name}/")[0]
    os.close(terminal)
    assert max(map(len, shown.splitlines())) <= 40
    first_column = "".join(line.split(" ")[0] for line in shown.splitlines()[1:])
    assert name in first_column


def test_a_pipe_that_closes_is_no_error(cli: Callable[..., Ran]) -> None:
    command = f"set -o pipefail; {sys.executable} -m beemflow_secrets crds | head -c 10"
    ran = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert (ran.stdout, ran.stderr) == ("apiVersion", "")


def test_refresh_waits_for_the_answer(
    ns: Namespace, put: Callable[..., int], cli: Callable[..., Ran], canary: str
) -> None:
    put("slack", token="old")
    ns.add("slack", spec(TOKEN))
    ns.ready("slack")
    put("slack", token=canary)
    ran = cli("refresh", "slack", "--wait")
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")
    assert ns.data("slack") == {"token": canary}


def test_refresh_says_what_went_wrong(
    ns: Namespace, put: Callable[..., int], cli: Callable[..., Ran], proxy: FaultProxy, canary: str
) -> None:
    put("slack", token=canary)
    ns.add("slack", spec(TOKEN))
    ns.ready("slack")
    ns.add("other", spec(TOKEN))
    ns.ready("other")
    proxy.down()
    ran = cli("refresh", "slack", "other", "--wait")
    assert ran.returncode == 1
    for name, line in zip(("slack", "other"), ran.stderr.splitlines(), strict=True):
        assert line.startswith(f"{ns.name}/{name}: BackendUnavailable: store prod: ")


def test_refresh_gives_up_at_its_timeout(ns: Namespace, cli: Callable[..., Ran]) -> None:
    ns.add("slack", spec(TOKEN, suspend=True))
    ns.ready("slack", "Unknown")
    ran = cli("refresh", "slack", "--wait", "--timeout", "300ms")
    assert (ran.returncode, ran.stderr) == (1, f"{ns.name}/slack: not answered within 300ms\n")


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("refresh", "nothing"), 1, "not found"),
        (("refresh", "slack", "--timeout", "soon"), 2, "--timeout"),
        (("status", "--kubeconfig", "absent"), 2, "absent does not exist"),
        (("status", "--context", "absent"), 2, "no context 'absent'"),
        (("status", "--nothing"), 2, "No such option"),
        (("status", "-o", "xml"), 2, "xml"),
    ],
)
def test_what_cannot_be_done_is_one_clear_answer(
    cli: Callable[..., Ran], arguments: tuple[str, ...], code: int, said: str, tmp_path: Path
) -> None:
    ran = cli(*arguments)
    assert ran.returncode == code
    assert ran.stdout == ""
    assert said in ran.stderr
    assert len(ran.stderr.splitlines()) == 1


def test_kubectl_finds_it_as_a_plugin(ns: Namespace, control_plane: ControlPlane, tmp_path: Path) -> None:
    ns.add("slack", spec(TOKEN))
    on_path = tmp_path / "kubectl-beemflow"
    on_path.symlink_to(Path(sys.executable).with_name("kubectl-beemflow"))

    def kubectl(*arguments: str) -> Ran:
        environment = {"KUBECONFIG": str(control_plane.kubeconfig), "PATH": f"{tmp_path}{os.pathsep}/usr/bin:/bin"}
        command = [str(binaries() / "kubectl"), "beemflow", *arguments]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)

    ran = kubectl("status", "slack", "-n", ns.name, "-o", "json")
    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout)["name"] == "slack"
    wrong = kubectl("status", "--nothing")
    assert wrong.returncode == 2
    assert wrong.stderr == "No such option: --nothing; kubectl beemflow status --help says what there is\n"
