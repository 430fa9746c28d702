"""The mirror host: everything that the lab's hosts download, as a user's own mirror would serve it.

The program under test reaches it over the network only, by the addresses in the stack's ``release.mirror``.
"""
