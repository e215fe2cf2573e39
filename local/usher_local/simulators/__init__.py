"""Stateful stand-ins for the other ends: they follow the contracts, surprises included, and keep a ledger of mails."""
