"""The lab's ``random`` plugin: passwords, strings, IDs, UUIDs and bytes, as pulumi-random 4.21.1 has them."""
