"""docs/troubleshooting.md: each message in it is one that the operator writes, and `status` says the rest of it too.

A test makes each of them happen. What differs from run to run is written as the page has it: the namespace is `flows`.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from beemflow_secrets.cli.remedies import CAUSES, CAUSES_OF_STORES
from beemflow_secrets.model.reasons import Reason, StoreReason
from tests.controlplane.conftest import entry, spec
from tests.support.api import condition
from tests.support.faultproxy import hang, throttle

if TYPE_CHECKING:
    from collections.abc import Callable

    from e2e.clusters.controlplane import ControlPlane
    from tests.support.api import Namespace, Object
    from tests.support.faultproxy import FaultProxy
    from tests.support.openbao import OpenBao

PAGE = Path(__file__).parents[2] / "docs" / "troubleshooting.md"

pytestmark = pytest.mark.usefixtures("operator")

TOKEN = entry("token", "slack#token")


_MESSAGE = re.compile(r"^```text\n(.*?)\n```(?:\n\n`([^`\n]+)`$)?", flags=re.DOTALL | re.MULTILINE)


class Section(NamedTuple):
    """What the page says of one reason: its cause, and messages with what to run next."""

    cause: str
    messages: list[tuple[str, str]]


def sections(part: str) -> dict[str, Section]:
    """Return the page's sections below one heading, by reason."""
    (text,) = re.findall(rf"^## {part}\n(.*?)(?=^## |\Z)", PAGE.read_text(), flags=re.DOTALL | re.MULTILINE)
    found = re.findall(r"^### (\w+)\n\n(.*?)\n\n(.*?)(?=^### |\Z)", text, flags=re.DOTALL | re.MULTILINE)
    return {
        reason: Section(
            " ".join(cause.split()), [(" ".join(said.split()), run) for said, run in _MESSAGE.findall(rest)]
        )
        for reason, cause, rest in found
    }


class Lab:
    """What the cases are made with: a namespace, the spec of its store `prod`, and what that reads from."""

    def __init__(
        self, ns: Namespace, put: Callable[..., int], proxy: FaultProxy, bao: OpenBao, store_spec: Object
    ) -> None:
        self.ns, self.put, self.proxy, self.bao, self.store_spec = ns, put, proxy, bao, store_spec

    def store(self, **changed: Any) -> None:
        """Make the store and its credential; some fields may be others."""
        self.ns.add_secret("login", {"secretId": self.bao.secret_id(self.ns.name)})
        self.ns.add_store("prod", {**self.store_spec, **changed})

    def as_told(self, text: str) -> str:
        """Return a text as the page has it."""
        address = self.proxy.address.removeprefix("http://")
        return text.replace(self.ns.name, "flows").replace(address, "vault.example.com:8200")


@pytest.fixture
def lab(
    ns: Namespace, put: Callable[..., int], proxy: FaultProxy, bao: OpenBao, store_spec: Object, canary: str
) -> Lab:
    put("slack", token=canary)
    return Lab(ns, put, proxy, bao, store_spec)


# --- resources: each case makes a BeemFlowSecret `slack`


def no_store(lab: Lab) -> None:
    lab.ns.add("slack", spec(TOKEN))


def store_without_credential(lab: Lab) -> None:
    lab.ns.add_store("prod", lab.store_spec)
    lab.ns.store_ready("prod", "False")
    lab.ns.add("slack", spec(TOKEN))


def no_such_key(lab: Lab) -> None:
    lab.store()
    lab.ns.add("slack", spec(entry("token", "slak#token")))


def no_such_version(lab: Lab) -> None:
    lab.store()
    lab.ns.add("slack", spec(entry("token", "slack#token", version="7")))


def no_such_property(lab: Lab) -> None:
    lab.store()
    lab.ns.add("slack", spec(entry("token", "slack#tokn")))


def denied_by_the_backend(lab: Lab) -> None:
    lab.store(vault={**lab.store_spec["vault"], "path": "secret/others"})
    lab.ns.add("slack", spec(TOKEN))


def denied_by_a_policy(lab: Lab) -> None:
    lab.store(accessPolicies=[{"secretPatterns": ["github/*"]}])
    lab.ns.add("slack", spec(TOKEN))


def wrong_credential(lab: Lab) -> None:
    lab.ns.add_secret("login", {"secretId": "revoked"})
    lab.ns.add_store("prod", lab.store_spec)
    lab.ns.add("slack", spec(TOKEN))


def throttled_by_the_backend(lab: Lab) -> None:
    lab.store()
    lab.ns.store_ready("prod")
    lab.proxy.set(throttle("30"))
    lab.ns.add("slack", spec(TOKEN))


def backend_away(lab: Lab) -> None:
    lab.store()
    lab.ns.store_ready("prod")
    lab.proxy.down()
    lab.ns.add("slack", spec(TOKEN))


def backend_silent(lab: Lab) -> None:
    lab.store()
    lab.ns.store_ready("prod")
    lab.proxy.set(hang)
    lab.ns.add("slack", spec(TOKEN))


def undefined_name(lab: Lab) -> None:
    lab.store()
    lab.ns.add("slack", templated("token={{ secrets.tokn }}"))


def malformed_template(lab: Lab) -> None:
    lab.store()
    lab.ns.add("slack", templated("token={{ secrets.token"))


def templated(text: str) -> Object:
    return spec(TOKEN, target={"template": {"data": {"config.ini": text}}})


def no_base64(lab: Lab) -> None:
    lab.store()
    lab.ns.add("slack", spec(entry("token", "slack#token", decodingStrategy="Base64")))


def no_config_map(lab: Lab) -> None:
    lab.store()
    template = {"templateFrom": [{"configMap": {"name": "templates", "items": [{"key": "config.ini"}]}}]}
    lab.ns.add("slack", spec(TOKEN, target={"template": template}))


def twins(lab: Lab) -> None:
    lab.store()
    lab.put("github", token="other")
    lab.ns.add("slack", spec(dataFrom=[{"extract": {"key": "slack"}}, {"extract": {"key": "github"}}]))


def foreign_secret(lab: Lab) -> None:
    lab.store()
    lab.ns.add_secret("slack", {"token": "theirs"})
    lab.ns.add("slack", spec(TOKEN))


def nothing_to_merge_into(lab: Lab) -> None:
    lab.store()
    lab.ns.add("slack", spec(TOKEN, target={"name": "app", "creationPolicy": "Merge"}))


def too_large(lab: Lab) -> None:
    lab.store()
    parts = [f"part-{number}" for number in range(3)]
    for part in parts:
        lab.put(part, text="x" * 400_000)
    lab.ns.add("slack", spec(*(entry(part, f"{part}#text") for part in parts)))


def too_old(lab: Lab) -> None:
    lab.store()
    lab.ns.add("slack", spec(TOKEN, refreshInterval="1s", staleness={"maxAge": "1s"}))
    lab.ns.ready("slack")
    lab.proxy.down()


def suspended(lab: Lab) -> None:
    lab.ns.add("slack", spec(TOKEN, suspend=True))


def all_keys_gone(lab: Lab) -> None:
    lab.store()
    lab.ns.add("slack", spec(TOKEN, refreshInterval="1s", target={"deletionPolicy": "Delete"}))
    lab.ns.ready("slack")
    lab.bao.remove_kv2("secret", f"{lab.ns.name}/slack")


CASES: list[tuple[str, Callable[[Lab], None]]] = [
    (Reason.STORE_NOT_FOUND, no_store),
    (Reason.STORE_NOT_READY, store_without_credential),
    (Reason.KEY_NOT_FOUND, no_such_key),
    (Reason.KEY_NOT_FOUND, no_such_version),
    (Reason.PROPERTY_NOT_FOUND, no_such_property),
    (Reason.ACCESS_DENIED, denied_by_the_backend),
    (Reason.ACCESS_DENIED, denied_by_a_policy),
    (Reason.AUTHENTICATION_FAILED, wrong_credential),
    (Reason.THROTTLED, throttled_by_the_backend),
    (Reason.BACKEND_UNAVAILABLE, backend_away),
    (Reason.BACKEND_UNAVAILABLE, backend_silent),
    (Reason.INVALID_TEMPLATE, undefined_name),
    (Reason.INVALID_TEMPLATE, malformed_template),
    (Reason.INVALID_SPEC, no_base64),
    (Reason.INVALID_SPEC, no_config_map),
    (Reason.INVALID_SPEC, twins),
    (Reason.TARGET_CONFLICT, foreign_secret),
    (Reason.TARGET_CONFLICT, nothing_to_merge_into),
    (Reason.WRITE_REFUSED, too_large),
    (Reason.STALE_BEYOND_LIMIT, too_old),
    (Reason.SUSPENDED, suspended),
    (Reason.SECRET_DELETED, all_keys_gone),
]


BEHIND: dict[str, tuple[str, str]] = {
    Reason.STORE_NOT_READY: ("Stores", StoreReason.CREDENTIAL_NOT_FOUND),
    Reason.STALE_BEYOND_LIMIT: ("Secrets", Reason.BACKEND_UNAVAILABLE),
}
"""Of which reason `status` gives the cause, where one is only what follows from another."""


@pytest.mark.parametrize(("reason", "case"), CASES, ids=[case.__name__ for _, case in CASES])
def test_a_resource_says_what_the_page_has(
    control_plane: ControlPlane, lab: Lab, reason: str, case: Callable[[Lab], None]
) -> None:
    case(lab)
    lab.ns.api.wait(lab.ns.path("slack"), lambda found: condition(found or {}).get("reason") == reason)
    command = [sys.executable, "-m", "beemflow_secrets", "status", "slack", "-n", lab.ns.name, "-o", "json"]
    env = {"KUBECONFIG": str(control_plane.kubeconfig)}
    said = json.loads(subprocess.run(command, env=env, capture_output=True, check=True, timeout=60).stdout)
    section = sections("Secrets")[reason]
    message, run = (lab.as_told(said.get(label, "")) for label in ("message", "run_next"))
    assert (message, run) in section.messages
    if reason != Reason.SECRET_DELETED:  # all is well with it
        part, leads_to = BEHIND.get(reason, ("Secrets", reason))
        assert said["cause"] == sections(part)[leads_to].cause


# --- stores: each case makes a store `prod`


def identity_not_lent(lab: Lab) -> None:
    lab.ns.add_store("prod", {"driver": "env"})


def no_credential(lab: Lab) -> None:
    lab.ns.add_store("prod", lab.store_spec)


def credential_without_the_key(lab: Lab) -> None:
    lab.ns.add_secret("login", {"secret-id": "x"})
    lab.ns.add_store("prod", lab.store_spec)


def no_critical_key(lab: Lab) -> None:
    lab.store(healthCheck={"criticalKeys": ["stripe/key"]})


def metadata_service(lab: Lab) -> None:
    lab.store(vault={**lab.store_spec["vault"], "address": "https://169.254.169.254"})


def server_away(lab: Lab) -> None:
    lab.proxy.down()
    lab.store()


STORES: list[tuple[str, Callable[[Lab], None]]] = [
    (StoreReason.INVALID_SPEC, identity_not_lent),
    (StoreReason.CREDENTIAL_NOT_FOUND, no_credential),
    (StoreReason.CREDENTIAL_NOT_FOUND, credential_without_the_key),
    (StoreReason.AUTHENTICATION_FAILED, wrong_credential),
    (StoreReason.BACKEND_UNAVAILABLE, server_away),
    (StoreReason.CRITICAL_KEY_MISSING, no_critical_key),
    (StoreReason.ENDPOINT_NOT_ALLOWED, metadata_service),
]


@pytest.mark.parametrize(("reason", "case"), STORES, ids=[case.__name__ for _, case in STORES])
def test_a_store_says_what_the_page_has(lab: Lab, reason: str, case: Callable[[Lab], None]) -> None:
    case(lab)
    found = lab.ns.store_ready("prod", "False", reason=reason)
    message = lab.as_told(condition(found)["message"])
    assert message in [said for said, _ in sections("Stores")[reason].messages]


def test_the_page_has_all_reasons_with_the_causes_that_status_prints_and_no_message_that_was_not_seen() -> None:
    for part, causes, cases in (("Secrets", CAUSES, CASES), ("Stores", CAUSES_OF_STORES, STORES)):
        page = sections(part)
        assert {reason: section.cause for reason, section in page.items()} == causes
        for reason, section in page.items():
            assert len(section.messages) == sum(reason == made for made, _ in cases)


def test_the_page_leaves_out_no_reason() -> None:
    assert set(CAUSES) == set(Reason) - {Reason.SYNCED}
    assert set(CAUSES_OF_STORES) == set(StoreReason) - {StoreReason.VALID}
