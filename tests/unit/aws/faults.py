"""Bad days of a service, for one client: made-up answers, and answers that get lost on their way back."""

from types import SimpleNamespace
from typing import Any

from botocore.exceptions import ConnectionClosedError
from botocore.httpsession import URLLib3Session


def error(code: str, **more: Any) -> dict[str, Any]:
    """Make a service's error as the client reads it."""
    return {"Error": {"Code": code, "Message": "made up"}, "ResponseMetadata": {}} | more


def conflict(*codes: str) -> dict[str, Any]:
    """Make the error of a transaction that was cancelled, with one code for each write."""
    return error("TransactionCanceledException", CancellationReasons=[{"Code": code} for code in codes])


def answering(client: Any, operation: str, *answers: dict[str, Any] | None) -> list[Any]:
    """
    Answer the next calls of an operation in the service's stead; None lets one through, and so are all that follow.

    Gives the list in which the parameters of every call then stand.
    """
    waiting = list(answers)
    calls: list[Any] = []

    def answer(params: Any, **_: Any) -> Any:
        calls.append(params)
        made_up = waiting.pop(0) if waiting else None
        return made_up and (SimpleNamespace(status_code=400 if "Error" in made_up else 200), made_up)

    client.meta.events.register(f"before-call.{client.meta.service_model.service_name}.{operation}", answer)
    return calls


def losing_answers(client: Any, operation: str, times: int) -> None:
    """Let the service do what the next requests of an operation ask for, and lose what it answers."""
    left = times

    def lose(request: Any, **_: Any) -> None:
        nonlocal left
        if left == 0:
            return
        left -= 1
        session = URLLib3Session()
        session.send(request)
        session.close()
        raise ConnectionClosedError(endpoint_url=request.url)

    service = client.meta.service_model.service_name
    client.meta.events.register_first(f"before-send.{service}.{operation}", lose)
