"""`python -m distctl`: the same as the command `distctl`."""

from distctl.cli.main import main

main()
