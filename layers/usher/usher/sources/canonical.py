"""Our own event, signed by Standard Webhooks: for every system that can choose. docs/sources/canonical.md."""

from datetime import datetime
from http import HTTPStatus

from usher.domain.event import SCHEMA, read_event
from usher.domain.json_text import parse
from usher.domain.notice import Notice, notice_id_of
from usher.ports import Reply, WebhookRequest
from usher.sources.signatures import Encoding, Hmac, KeyForm
from usher.sources.webhook import Webhook


class Canonical(Webhook):
    """The source ``canonical``; its senders are told everything that is wrong with an event."""

    name = "canonical"
    tells_problems = True
    scheme = Hmac(
        header="webhook-signature",
        signed="{webhook-id}.{webhook-timestamp}.{body}",
        key_form=KeyForm.WHSEC,
        prefix="v1,",
        encoding=Encoding.BASE64,
        many=True,
        timestamp_header="webhook-timestamp",
    )

    def read(self, request: WebhookRequest, received_at: datetime) -> tuple[Notice, ...]:
        """Read the event; raises BadEvent with every problem."""
        # The secret is the one of this source, so the event cannot speak for another.
        event = read_event(parse(request.body), sources=(self.name,))
        notice = Notice(
            # Both are signed and stay the same over retries. With the body in it, a sender that uses an id twice does
            # not lose what it said the second time.
            notice_id=notice_id_of(self.name, request.header("webhook-id") or "", request.body),
            source=self.name,
            received_at=received_at,
            event=SCHEMA,
            subject=event.hire_id,
            change=event.change,
            hire=event.hire,
        )
        return (notice,)

    def thanks(self) -> Reply:
        """Say that the event is taken, and its invitations are yet to come."""
        return Reply(HTTPStatus.ACCEPTED)
