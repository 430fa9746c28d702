"""Pulumi plugin servers for the resource types this program uses, and their installation.

They serve the lab only, where the official plugins are not to be had, with the same tokens, inputs, outputs, secrets
and replace and update semantics. An input that they don't implement is an error that names it, never ignored.
"""

from lab.plugins.install import install

__all__ = ["install"]
