"""The native Secrets that BeemFlowSecrets ask for: whose they are, what they shall be, and the writes between."""
