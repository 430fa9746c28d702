"""The lab's stand-in for the official pulumi-kubernetes plugin 4.32.0, in its default mode, server-side apply.

Where to look: ``kinds`` (what a type token names), ``options`` and ``kubeconfig`` (the provider's inputs), ``objects``
(Kubernetes objects and how they lie in state), ``naming``, ``diffing``, ``cluster`` (requests), ``apply`` (writes),
``readiness`` (what "done" means), ``provider`` (the engine's side of it all).
"""
