"""Lays one nested mapping over another, as a host's kubelet settings over the cluster's."""

from settings.fields import Tree


def merged(base: Tree, over: Tree) -> Tree:
    """``base`` with the values of ``over`` in their place; mappings are merged, anything else is replaced."""
    result = dict(base)
    for name, value in over.items():
        below = result.get(name)
        result[name] = merged(below, value) if isinstance(below, dict) and isinstance(value, dict) else value
    return result
