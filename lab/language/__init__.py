"""The Pulumi engine's language host for Python, for the lab: it runs programs and policy packs.

The official host is not to be had as a Go module of the engine's version. This one does what a program needs to run;
what else the official one can do (debugging, type checking, generating SDKs, installing dependencies) answers
"unimplemented". Started by the engine as ``pulumi-language-python``, which ``lab.plugins.install`` writes.
"""
