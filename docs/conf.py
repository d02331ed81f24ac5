"""The site that `make docs` builds with Sphinx. A link that leads nowhere fails the build."""

from beemflow_secrets import __version__

project = "beemflow-secrets"
release = __version__
extensions = ["myst_parser"]
html_theme = "furo"
html_title = project
html_static_path = ["_static"]
html_css_files = ["tables.css"]
html_show_copyright = False
html_show_sphinx = False
smartquotes = False  # it makes a dash of the `--` of a flag
myst_heading_anchors = 3
suppress_warnings = ["misc.highlighting_failure"]  # Vault's policies are HCL but for their names
