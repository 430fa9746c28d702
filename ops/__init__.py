"""Commands for whoever runs Evenkeel: ``python -m ops COMMAND``, over the same settings and releases as the program."""
