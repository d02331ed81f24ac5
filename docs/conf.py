"""The site that `make docs` builds with Sphinx. A link that leads nowhere fails the build."""

from beemflow_secrets import __version__

project = "beemflow-secrets"
author = "The beemflow-secrets authors"
release = __version__
extensions = ["myst_parser"]
html_theme = "furo"
html_title = project
html_show_sphinx = False
myst_heading_anchors = 3
suppress_warnings = ["misc.highlighting_failure"]  # Vault's policies are HCL but for their names
