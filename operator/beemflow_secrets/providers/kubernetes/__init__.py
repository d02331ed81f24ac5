"""Native Secrets as a backend: those of this cluster, or of another one.

    driver     the operations
    identity   who asks, and how the token is renewed
    answers    reading what the API server answers, and how keys are mapped (pure)
    writing    what is sent to change a Secret (pure)

Each knows only those below it. kube/ speaks to the cluster as the operator; this speaks as whoever a store names, one
attempt at a time, with the bounds that hold for every backend.
"""

from beemflow_secrets.providers.kubernetes.driver import KubernetesDriver

__all__ = ["KubernetesDriver"]
