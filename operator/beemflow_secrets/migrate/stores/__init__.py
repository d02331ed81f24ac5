"""The stores, one module a backend: each turns a provider of External Secrets Operator into a driver's block."""
