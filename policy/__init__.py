"""The guard rails: what no stack may become, whoever writes its settings or changes the program.

Policies read resources as the engine has them, the texts on the way to hosts included, so that they hold for forks of
the program too. ``settings.rules`` refuses much of this earlier, and names the key.
"""
