"""``python -m ops init``: a stack for hosts of one's own, begun.

``command`` says in which order; ``answers`` asks, ``text`` writes the stack's file, ``pins`` has the hosts' keys.
"""
