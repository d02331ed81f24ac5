"""The names that users and other programs see: group, kinds, labels, annotations, condition types."""

from __future__ import annotations

from dataclasses import dataclass

GROUP = "secrets.beemflow.io"
VERSION = "v1"
API_VERSION = f"{GROUP}/{VERSION}"
CATEGORY = "beemflow"


@dataclass(frozen=True, slots=True)
class Kind:
    """How a kind of ours is called, and whether it lives in namespaces."""

    name: str
    plural: str
    short: str
    namespaced: bool = True

    @property
    def singular(self) -> str:
        """The name that `kubectl get` takes for one of them."""
        return self.name.lower()


STORE = Kind("BeemFlowSecretStore", "beemflowsecretstores", "bfss")
CLUSTER_STORE = Kind("BeemFlowClusterSecretStore", "beemflowclustersecretstores", "bfcss", namespaced=False)
SECRET = Kind("BeemFlowSecret", "beemflowsecrets", "bfs")
CLUSTER_SECRET = Kind("BeemFlowClusterSecret", "beemflowclustersecrets", "bfcs", namespaced=False)
PUSH = Kind("BeemFlowPushSecret", "beemflowpushsecrets", "bfps")
STORES = (STORE, CLUSTER_STORE)
KINDS = (*STORES, SECRET, CLUSTER_SECRET, PUSH)

# On the Secrets that we make, and on the BeemFlowSecrets that are stamped. The owner label is what the watch of owned
# Secrets selects by.
MANAGED_BY_LABEL = "app.kubernetes.io/managed-by"
MANAGED_BY = "beemflow-secrets"
OWNER_LABEL = f"{GROUP}/owner"
CONTENT_VERSION_ANNOTATION = f"{GROUP}/content-version"
OWNER_NAME_ANNOTATION = f"{GROUP}/owner-name"

# On the pod templates of workloads that are restarted: the content version that they are restarted for.
RESTARTED_FOR_ANNOTATION = f"{GROUP}/restarted-for"

# On a Secret, set by a person: the BeemFlowSecret that shall take it over.
ADOPT_ANNOTATION = f"{GROUP}/adopt"

# On resources, set by people.
REFRESH_REQUESTED_ANNOTATION = f"{GROUP}/refresh-requested-at"
SUSPEND_ANNOTATION = f"{GROUP}/suspend"

# On a BeemFlowPushSecret that is to take back what it has pushed when it goes.
PUSH_FINALIZER = f"{GROUP}/take-back"

# On namespaces, set by who may edit them: the roles that access policies ask for, as a,b.
ROLES_ANNOTATION = f"{GROUP}/roles"

# Conditions.
READY = "Ready"
DEGRADED = "Degraded"
STALE = "Stale"
EXPIRING = "Expiring"
OUTDATED = "Outdated"

FIELD_MANAGER = "beemflow-secrets"
