"""`python -m tapetum` is the command `tapetum`."""

import sys

from tapetum.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
