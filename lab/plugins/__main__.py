"""Serves one plugin in a process of its own."""

from lab.plugins.serving import main

main()
