"""BeemFlowSecrets: read, rendered, reported on, and read again when they are due."""
