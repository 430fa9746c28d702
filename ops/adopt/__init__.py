"""``python -m ops adopt``: what a running kubeadm cluster is, as the settings of a stack that grows it in place.

``look`` asks the host, ``cluster`` reads what it said, ``values`` and ``plan`` say what a stack makes of that,
``obstacles`` what stands in the way, ``stack_file`` writes. Nothing here changes a host.
"""
