"""The adapters of AWS: table, queues, secrets."""
