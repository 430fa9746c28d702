"""Serves one plugin in a process of its own."""

import sys

from lab.plugins.serving import main

sys.exit(main())
