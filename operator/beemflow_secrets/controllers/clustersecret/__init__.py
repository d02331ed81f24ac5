"""BeemFlowClusterSecrets: BeemFlowSecrets stamped into namespaces."""
