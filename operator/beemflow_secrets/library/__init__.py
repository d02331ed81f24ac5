"""The same stores without a cluster: for BeemFlow itself, for scripts, and for the command line.

Its public names are those of `beemflow_secrets`.
"""
