"""Pulumi plugin servers for the resource types this program uses, and their installation.

They serve the lab only, where the official plugins are not to be had, with the same tokens, inputs, outputs, secrets
and replace and update semantics. An input that they don't implement is an error that names it, never ignored.
"""

PLUGINS = {"command": "1.2.1", "docker": "5.1.0", "kubernetes": "4.32.0", "random": "4.21.1", "tls": "5.5.1"}
"""Served packages; their versions are those of the Python SDKs in requirements.txt, whose types they serve."""
