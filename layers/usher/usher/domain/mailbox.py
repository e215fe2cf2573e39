"""The keyed digest under which a mailbox is guarded, so that no address stands in a key of the table."""

import hashlib
import hmac


def mailbox_digest(key: bytes, mailbox: str) -> str:
    """Give 32 hex digits for a mailbox (`usher.domain.address.mailbox_of`), keyed with the stack's own key."""
    return hmac.new(key, mailbox.encode("ascii"), hashlib.sha256).hexdigest()[:32]
