#!/usr/bin/env python
"""The old command where it was: `python runJupyterDaskOnSLURM.py --uid UID --mode run`, in this directory."""

import sys

try:
    from launcher.legacy import main
except ModuleNotFoundError as missing:
    sys.exit(f"{missing}: install springline first, with: python -m pip install .")

if __name__ == "__main__":
    main()
