"""Secrets from where companies keep them, to where BeemFlow's pods read them."""

__version__ = "0.1.0"
