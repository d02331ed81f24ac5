"""Backups bring resources and Secrets back with new uids, in any order, while the garbage collector runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.controlplane.conftest import entry, spec
from tests.support import faultproxy as faults
from tests.support.api import condition, decoded

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from e2e.clusters.controlplane import ControlPlane
    from tests.support.api import Namespace, Object
    from tests.support.faultproxy import FaultProxy
    from tests.support.operator import Operator

pytestmark = pytest.mark.usefixtures("operator", "store")

TOKEN = entry("token", "slack#token")
OWNER = "secrets.beemflow.io/owner"


@pytest.fixture
def no_collector(control_plane: ControlPlane) -> Iterator[Callable[[], None]]:
    """The garbage collector stands still, as in a control plane that is being restored, until this is called."""
    control_plane.stop_manager()
    started = []

    def start() -> None:
        control_plane.start_manager()
        started.append(True)

    yield start
    if not started:
        start()


@pytest.fixture
def synced(ns: Namespace, put: Callable[..., int], canary: str) -> Object:
    """A resource `slack` in sync: what a backup holds of its Secret."""
    put("slack", token=canary)
    ns.add("slack", spec(TOKEN, refreshInterval="1s"))
    ns.ready("slack")
    found = ns.api.get(ns.secret_path("slack"))
    assert found is not None
    return found


def restore_secret(ns: Namespace, saved: Object, name: str | None = None) -> Object:
    """Create a Secret as a backup has it: with its labels, annotations and owners, and nothing of the API server's."""
    kept = {field: saved["metadata"].get(field) for field in ("labels", "annotations", "ownerReferences")}
    metadata = {"name": name or saved["metadata"]["name"], **kept}
    return ns.api.create(ns.secret_path("").rstrip("/"), {**saved, "metadata": metadata})


def remove(ns: Namespace, name: str) -> None:
    """Lose a resource and its Secret."""
    ns.api.delete(ns.path(name))
    ns.api.wait(ns.path(name), lambda found: found is None)
    ns.api.delete(ns.secret_path(name))
    ns.api.wait(ns.secret_path(name), lambda found: found is None)


def owner_uids(found: Object) -> list[str]:
    return [reference["uid"] for reference in found["metadata"].get("ownerReferences", [])]


@pytest.mark.parametrize("order", ["the Secret first", "the resource first"])
def test_a_backup_is_restored_in_any_order(ns: Namespace, synced: Object, canary: str, order: str) -> None:
    ns.api.delete(ns.path("slack"))
    ns.collected("slack")

    def resource() -> Object:
        return ns.add("slack", spec(TOKEN, refreshInterval="1s"))

    if order == "the Secret first":
        restore_secret(ns, synced)  # the garbage collector takes it, sooner or later
        made = resource()
    else:
        made = resource()
        ns.ready("slack")
        # The tool that restores finds it there, and leaves it.
        with pytest.raises(OSError, match="already exists"):
            restore_secret(ns, synced)
    ns.ready("slack")
    found = ns.api.wait(ns.secret_path("slack"), lambda found: found is not None)
    assert decoded(found) == {"token": canary}
    assert owner_uids(found) == [made["metadata"]["uid"]]
    assert found["metadata"]["labels"][OWNER] == made["metadata"]["uid"]


def test_a_tool_that_overwrites_is_put_right(ns: Namespace, synced: Object, canary: str) -> None:
    gone = "00000000-0000-0000-0000-000000000000"
    uid = owner_uids(synced)[0]
    owners = [{**synced["metadata"]["ownerReferences"][0], "uid": gone}]
    ns.api.patch(
        ns.secret_path("slack"),
        {"metadata": {"labels": {OWNER: gone}, "ownerReferences": owners}, "data": {"token": "b2xk"}},
    )

    def right(found: Object | None) -> bool:
        return found is not None and owner_uids(found) == [uid] and found["metadata"]["labels"][OWNER] == uid

    ns.api.wait(ns.secret_path("slack"), right)
    ns.wait_data("slack", {"token": canary})


@pytest.mark.parametrize("order", ["the Secret first", "the resource first"])
@pytest.mark.parametrize("policy", ["Owner", "Orphan"])
def test_while_the_backend_is_away_a_restored_secret_is_kept_from_the_collector(
    no_collector: Callable[[], None],
    ns: Namespace,
    proxy: FaultProxy,
    synced: Object,
    canary: str,
    order: str,
    policy: str,
) -> None:
    remove(ns, "slack")
    proxy.down()

    def resource() -> Object:
        target = {"creationPolicy": policy}
        return ns.add("slack", spec(TOKEN, refreshInterval="8760h", target=target))

    if order == "the Secret first":
        restored, made = restore_secret(ns, synced), resource()
    else:
        made = resource()
        ns.ready("slack", "False", reason="BackendUnavailable")
        restored = restore_secret(ns, synced)
    wanted = [made["metadata"]["uid"]] if policy == "Owner" else []
    ns.api.wait(ns.secret_path("slack"), lambda found: found is not None and owner_uids(found) == wanted)
    ns.ready("slack", "False", reason="BackendUnavailable")
    # Somebody else's, whose owner is gone too: when the collector has taken it, it has been at ours.
    restore_secret(ns, synced, "stray")
    no_collector()
    ns.collected("stray")
    found = ns.api.get(ns.secret_path("slack")) or {}
    assert found["metadata"]["uid"] == restored["metadata"]["uid"]
    assert decoded(found) == {"token": canary}
    proxy.up()
    ns.ready("slack", patience=65)
    assert (ns.api.get(ns.secret_path("slack")) or {})["metadata"]["uid"] == restored["metadata"]["uid"]


def test_one_of_another_name_than_its_resource_is_kept_too_while_the_next_attempt_is_far_off(
    no_collector: Callable[[], None], ns: Namespace, proxy: FaultProxy, put: Callable[..., int], canary: str
) -> None:
    put("slack", token=canary)
    wanted = spec(TOKEN, refreshInterval="8760h", target={"name": "creds"})
    ns.add("slack", wanted)
    ns.ready("slack")
    saved = ns.api.get(ns.secret_path("creds")) or {}
    ns.api.delete(ns.path("slack"))
    ns.api.wait(ns.path("slack"), lambda found: found is None)
    ns.api.delete(ns.secret_path("creds"))
    proxy.set(faults.throttle("600"), when=lambda request: request.path.startswith("/v1/secret/data/"))
    made = ns.add("slack", wanted)
    ns.ready("slack", "False", reason="Throttled")
    restored = restore_secret(ns, saved)
    claimed = [made["metadata"]["uid"]]
    found = ns.api.wait(ns.secret_path("creds"), lambda found: found is not None and owner_uids(found) == claimed)
    assert found["metadata"]["uid"] == restored["metadata"]["uid"]
    assert decoded(found) == {"token": canary}
    no_collector()


def test_what_was_not_ours_before_the_backup_is_not_ours_after_it(
    no_collector: Callable[[], None], ns: Namespace, synced: Object
) -> None:
    remove(ns, "slack")
    saved = restore_secret(ns, synced, "theirs")
    ns.add("other", spec(TOKEN, target={"name": "theirs"}, refreshInterval="1s"))
    told = condition(ns.ready("other", "False", reason="TargetConflict"))["message"]
    assert "belongs to BeemFlowSecret slack" in told
    assert ns.api.get(ns.secret_path("theirs")) == saved
    no_collector()


def test_many_restored_at_once_all_end_in_sync(
    ns: Namespace, put: Callable[..., int], operator: Operator, canary: str
) -> None:
    names = [f"many-{number}" for number in range(12)]
    for name in names:
        put(name, token=f"{canary}-{name}")
        ns.add(name, spec(entry("token", f"{name}#token")))
    saved = {name: ns.api.get(ns.secret_path(name)) or {} for name in names if ns.ready(name)}
    for name in names:
        ns.api.delete(ns.path(name))
    for name in names:
        ns.collected(name)
    uids: dict[str, str] = {}

    def add(name: str) -> None:
        uids[name] = ns.add(name, spec(entry("token", f"{name}#token")))["metadata"]["uid"]

    for number, (name, secret) in enumerate(saved.items()):
        if number == len(names) // 2:
            operator.kill()
            operator.start(ready=False)
        if number % 2:
            add(name)
        _restore_or_leave(ns, secret)
        if not number % 2:
            add(name)
    operator.wait_ready()
    for name in names:
        ns.ready(name)
        wanted = [uids[name]]
        ns.api.wait(ns.secret_path(name), lambda found: found is not None and owner_uids(found) == wanted)  # noqa: B023 - called at once
        ns.wait_data(name, {"token": f"{canary}-{name}"})


def _restore_or_leave(ns: Namespace, saved: Object) -> None:
    if ns.api.get(ns.secret_path(saved["metadata"]["name"])) is None:
        try:
            restore_secret(ns, saved)
        except OSError as error:
            assert "already exists" in str(error)  # noqa: PT017 - either is right: we were first, or the tool was


def test_a_copy_in_another_namespace_does_not_become_ours(
    control_plane: ControlPlane, ns: Namespace, synced: Object, no_collector: Callable[[], None]
) -> None:
    # With marks and all, while the resource that it was made for lives on, elsewhere.
    control_plane.kubectl("create", "namespace", f"{ns.name}-copy")
    copy = type(ns)(ns.api, f"{ns.name}-copy")
    try:
        saved = restore_secret(copy, {**synced, "metadata": {**synced["metadata"], "ownerReferences": None}})
        store = (ns.api.get(ns.store_path("prod")) or {})["spec"]
        login = ns.api.get(ns.secret_path("prod-login")) or {}
        copy.add_secret("prod-login", decoded(login))
        copy.add_store("prod", store)
        copy.add("slack", spec(TOKEN))
        copy.ready("slack", "False", reason="TargetConflict")
        assert copy.api.get(copy.secret_path("slack")) == saved
    finally:
        no_collector()
        control_plane.kubectl("delete", "namespace", copy.name, "--wait=false")
