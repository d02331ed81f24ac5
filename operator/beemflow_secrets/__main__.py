"""`python -m beemflow_secrets`."""

from beemflow_secrets.cli import main

main()
