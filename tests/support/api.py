"""The API server as tests use it: admin requests that take milliseconds where kubectl takes a tenth of a second."""

from __future__ import annotations

import time
from base64 import b64decode, b64encode
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import requests

from beemflow_secrets.kube import paths
from beemflow_secrets.model import names

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from e2e.clusters.controlplane import ControlPlane

Object = dict[str, Any]

PATIENCE = 20.0
"""Seconds to wait for what should take less than one: a busy machine is no failure."""


class Api:
    """Requests as admin. What is no success raises requests.HTTPError; where `get` finds nothing it returns None."""

    def __init__(self, plane: ControlPlane) -> None:
        self._url = plane.url
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.headers["Authorization"] = f"Bearer {plane.admin_token}"
        self._session.verify = str(plane.ca)

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def get(self, path: str, **params: str) -> Object | None:
        """Return an object, None when it is not there."""
        deadline = time.monotonic() + PATIENCE
        while True:
            answer = self._session.get(self._url + path, params=params, timeout=10)
            if answer.status_code == 404:
                return None
            if answer.status_code != 429 or time.monotonic() > deadline:
                return self._checked(answer)
            time.sleep(0.1)  # it has just been started: "storage is (re)initializing"

    def ask(self, path: str, headers: dict[str, str]) -> requests.Response:
        """Return the answer to a GET, whatever it is, with these headers: they may tell another name than admin's."""
        return self._session.get(self._url + path, headers=headers, timeout=10)

    def create(self, path: str, body: Object) -> Object:
        """POST."""
        return self._checked(self._session.post(self._url + path, json=body, timeout=10))

    def patch(self, path: str, body: Object | list[Object]) -> Object:
        """Merge-patch with an object, JSON-patch with a list."""
        kind = "application/json-patch+json" if isinstance(body, list) else "application/merge-patch+json"
        answer = self._session.patch(self._url + path, json=body, headers={"Content-Type": kind}, timeout=10)
        return self._checked(answer)

    def delete(self, path: str) -> None:
        """Delete, in the background."""
        self._checked(self._session.delete(self._url + path, timeout=10))

    def wait(self, path: str, until: Callable[[Object | None], object], *, patience: float = PATIENCE) -> Object:
        """Wait until the object at `path` (None when it is not there) is as it should be, and return it."""
        deadline = time.monotonic() + patience
        while True:
            found = self.get(path)
            if until(found):
                return found or {}
            if time.monotonic() > deadline:
                raise AssertionError(f"{path} is not as it should be after {patience} s: {_shown(found)}")
            time.sleep(0.02)

    @staticmethod
    def _checked(answer: requests.Response) -> Object:
        if not answer.ok:
            raise requests.HTTPError(answer.json().get("message", answer.text), response=answer)
        parsed: Object = answer.json()
        return parsed


class Namespace:
    """The resources of one namespace, by the few words that tests need."""

    def __init__(self, api: Api, name: str) -> None:
        self.api = api
        self.name = name

    def secret_path(self, name: str) -> str:
        return paths.secrets(self.name, name)

    def path(self, name: str) -> str:
        """The path of a BeemFlowSecret."""
        return paths.resources(names.SECRET.plural, self.name, name)

    def store_path(self, name: str) -> str:
        return paths.resources(names.STORE.plural, self.name, name)

    def add_secret(self, name: str, data: dict[str, str], **fields: Any) -> Object:
        """Create a native Secret of somebody else's."""
        encoded = {key: b64encode(value.encode()).decode() for key, value in data.items()}
        metadata = {"name": name, **fields.pop("metadata", {})}
        return self.api.create(paths.secrets(self.name), {"metadata": metadata, "data": encoded, **fields})

    def add_config_map(self, name: str, data: dict[str, str]) -> Object:
        """Make a ConfigMap."""
        return self.api.create(f"/api/v1/namespaces/{self.name}/configmaps", {"metadata": {"name": name}, "data": data})

    def add_store(self, name: str, spec: Object) -> Object:
        return self.api.create(
            paths.resources(names.STORE.plural, self.name),
            {"apiVersion": names.API_VERSION, "kind": names.STORE.name, "metadata": {"name": name}, "spec": spec},
        )

    @contextmanager
    def cluster_store(self, spec: Object) -> Iterator[str]:
        """Make a cluster store that is called as the namespace, for as long as the block runs; return its name."""
        body = {"apiVersion": names.API_VERSION, "kind": names.CLUSTER_STORE.name, "metadata": {"name": self.name}}
        self.api.create(paths.resources(names.CLUSTER_STORE.plural), {**body, "spec": spec})
        try:
            yield self.name
        finally:
            self.api.delete(paths.resources(names.CLUSTER_STORE.plural, "", self.name))

    def add(self, name: str, spec: Object, **metadata: Any) -> Object:
        """Create a BeemFlowSecret."""
        return self.api.create(
            paths.resources(names.SECRET.plural, self.name),
            {
                "apiVersion": names.API_VERSION,
                "kind": names.SECRET.name,
                "metadata": {"name": name, **metadata},
                "spec": spec,
            },
        )

    @contextmanager
    def cluster_secret(self, spec: Object) -> Iterator[str]:
        """Make a BeemFlowClusterSecret that is called as the namespace; return its path, and delete it in the end."""
        kind = names.CLUSTER_SECRET
        body = {"apiVersion": names.API_VERSION, "kind": kind.name, "metadata": {"name": self.name}, "spec": spec}
        path = paths.resources(kind.plural, "", self.name)
        self.api.create(paths.resources(kind.plural), body)
        try:
            yield path
        finally:
            if self.api.get(path) is not None:
                self.api.delete(path)

    def cluster_secret_ready(self, status: str = "True", *, reason: str | None = None) -> Object:
        """Wait until the Ready of that is so for its current generation, and return the resource."""
        path = paths.resources(names.CLUSTER_SECRET.plural, "", self.name)
        return self.api.wait(path, lambda found: _is(found, status, reason))

    def push_path(self, name: str) -> str:
        """The path of a BeemFlowPushSecret."""
        return paths.resources(names.PUSH.plural, self.name, name)

    def add_push(self, name: str, spec: Object) -> Object:
        """Create a BeemFlowPushSecret."""
        body = {"apiVersion": names.API_VERSION, "kind": names.PUSH.name, "metadata": {"name": name}, "spec": spec}
        return self.api.create(paths.resources(names.PUSH.plural, self.name), body)

    def push_ready(self, name: str, status: str = "True", *, reason: str | None = None) -> Object:
        """Wait until a BeemFlowPushSecret's Ready is so for its current generation, and return the resource."""
        return self.api.wait(self.push_path(name), lambda found: _is(found, status, reason))

    def ready(
        self, name: str, status: str = "True", *, reason: str | None = None, patience: float = PATIENCE
    ) -> Object:
        """Wait until a BeemFlowSecret's Ready is so for its current generation, and return the resource."""
        return self.api.wait(self.path(name), lambda found: _is(found, status, reason), patience=patience)

    def store_ready(self, name: str, status: str = "True", *, reason: str | None = None) -> Object:
        return self.api.wait(self.store_path(name), lambda found: _is(found, status, reason))

    def collected(self, name: str) -> None:
        """Wait until the garbage collector has taken a Secret whose owner is gone.

        It looks for kinds each half minute, and may have lost ours while the API server was away.
        """
        self.api.wait(self.secret_path(name), lambda found: found is None, patience=60)

    def data(self, name: str) -> dict[str, str] | None:
        """Return a native Secret's content as text, None when it is not there."""
        found = self.api.get(self.secret_path(name))
        return None if found is None else decoded(found)

    def wait_data(self, name: str, data: dict[str, str]) -> Object:
        """Wait until a native Secret holds exactly this."""
        return self.api.wait(self.secret_path(name), lambda found: found is not None and decoded(found) == data)

    def events(self, name: str) -> list[tuple[str, str]]:
        """Return type and reason of the Events of an object, in order."""
        found = self.api.get(paths.events(self.name), fieldSelector=f"involvedObject.name={name}") or {"items": []}
        items = sorted(
            found["items"], key=lambda event: (event["firstTimestamp"], int(event["metadata"]["resourceVersion"]))
        )
        return [(event["type"], event["reason"]) for event in items]

    def wait_event(self, name: str, kind: str, reason: str) -> None:
        """Wait for an Event: it is posted beside the work, after the status."""
        deadline = time.monotonic() + PATIENCE
        while (kind, reason) not in self.events(name):
            assert time.monotonic() < deadline, f"no Event {kind} {reason} of {name}: {self.events(name)}"
            time.sleep(0.02)


def condition(found: Object, kind: str = "Ready") -> Object:
    """Return a condition, empty when there is none."""
    conditions: list[Object] = found.get("status", {}).get("conditions", [])
    return next((item for item in conditions if item["type"] == kind), {})


def decoded(secret: Object) -> dict[str, str]:
    """Return a Secret's data as text."""
    return {key: b64decode(value).decode() for key, value in (secret.get("data") or {}).items()}


def _is(found: Object | None, status: str, reason: str | None) -> bool:
    if found is None:
        return False
    ready = condition(found)
    current = ready.get("observedGeneration") == found["metadata"]["generation"]
    return current and ready["status"] == status and reason in {None, ready["reason"]}


def _shown(found: Object | None) -> object:
    """What a failure may show: everything but a Secret's data."""
    return found and {name: value for name, value in found.items() if name != "data"}
