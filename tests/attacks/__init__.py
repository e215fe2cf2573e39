"""What strangers may try, and what becomes of it; docs/security.md names each of these tests."""
