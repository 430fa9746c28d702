"""Real hosts on one machine, and everything around them that the program under test does not bring along.

In the order of ``python -m lab up``: ``packages`` and ``daemon`` (the machine), ``toolchain`` (programs from pinned Go
modules), ``node`` (the hosts' system image), ``hosts`` and ``ssh`` (the hosts, and trust in them), ``mirror`` (files,
images), ``engine`` with ``plugins`` and ``language`` (what runs ``pulumi``), ``stack`` (lock, ``pulumi up``,
kubeconfig). Tests use ``hosts`` directly, spare ones included. Only tests import this package.
"""
