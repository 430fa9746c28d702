"""The component resources that ``__main__.py`` composes; each owns the resources of one role on one host."""
