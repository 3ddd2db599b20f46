"""What a format needs whose lines may be about tries, as those of Envoy's router. Pure."""

from enricher.accesslog.profiles import Format

REQUEST_ID = "http_x_request_id"
"""The variable that joins the lines of a request and its tries."""
LENGTHS = ("bytes_received", "body_bytes_sent")
"""The variables of a request's and an answer's length. A try's line has each in the other's place."""
NO_TYPE = (
    "some lines are about attempts, and count as requests: add %ACCESS_LOG_TYPE% to the format, "
    "or switch the log of attempts off"
)
NO_ID = (
    "the lines of attempts cannot be joined with those of their requests, so only last attempts count: "
    "add %REQ(X-REQUEST-ID)% to the format"
)


def fault_for_tries(log_format: Format, *, logs_tries: bool) -> str:
    """Return why the lines of a format do not show which tries belong to which request; nothing if they do.

    `logs_tries` says whether lines of tries have it, or those of their requests.
    """
    type_name = log_format.dialect.facts.entry_type
    if logs_tries and type_name and type_name not in log_format.names:
        return NO_TYPE
    return NO_ID if type_name and REQUEST_ID not in log_format.names else ""
