"""`python -m seedbed.cli`: the command line without the installed script."""

import sys

from seedbed.cli import main

if __name__ == "__main__":
    sys.exit(main())
