"""From External Secrets Operator's manifests, and from configuration files, to this operator's manifests: pure.

What goes over means the same here. What does not is told, one line each; `fields` sees to it that nothing is forgotten.
"""
