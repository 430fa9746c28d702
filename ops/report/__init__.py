"""``python -m ops report``: one HTML page that shows a stack, drawn from the same reading as ``ops status``.

``page`` is the page's table of contents. Of the topology, ``boxes`` and ``links`` say what there is, ``layout`` where
it lies, and ``topology`` draws it; ``ends`` and ``roll`` say what a ``timeline`` shows; ``sections`` are tables and
words; ``markup`` escapes. All are pure functions but ``command`` and ``engine``, which ask.
"""
