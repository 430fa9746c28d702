"""The lab's ``command`` plugin: ``command:remote:Command``, as pulumi-command 1.2.1 has it."""
