"""``python -m ops mirror``: a folder with all that a release's lock names, to be served where nothing else is reached.

``FOLDER/artifacts`` is laid out as ``release.mirror.artifacts`` is asked for it, ``FOLDER/images`` is the storage of a
registry (distribution's, on a file system), so that an ordinary registry serves it as it is, and an index keeps its
digest though only some of its platforms are there.

``command`` is what is typed, ``fill`` the order of things, ``image`` what an image consists of, ``download`` how one
file comes to be whole, ``store`` the registry's storage.
"""
