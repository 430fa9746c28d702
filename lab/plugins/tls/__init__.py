"""The lab's ``tls`` plugin: private keys, requests and certificates, as pulumi-tls 5.5.1 has them."""
