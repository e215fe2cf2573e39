"""`python -m usher_local.simulators`: all of them in one process, until it is told to end."""

import sys

from usher_local.simulators.main import main

if __name__ == "__main__":
    sys.exit(main())
