"""`python -m jobs`: the analyses, with no launcher."""

from jobs.cli import main

main()
