"""Backends of our own, on loopback, for those that cannot be run: as the real ones down to their errors and limits.

The real SDKs talk to them unchanged. Each fact in them carries its source. What misbehaves on the way (hanging,
resets, half answers) is the business of `beemflow_secrets.testing.FaultProxy` before them.
"""
