"""Stores: opened, probed, reported on."""
