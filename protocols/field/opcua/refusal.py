"""What went wrong at an OPC UA server, in our words."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from asyncua import ua

from protocols.field.driver import DriverError, FieldError


class RefusedError(DriverError):
    """The server answered with a bad status code; the line itself is there."""

    def __init__(self, message: str, *, hint: str, code: int) -> None:
        super().__init__(message, hint=hint)
        self.code = code


@contextmanager
def told(doing: str) -> Iterator[None]:
    """Turn whatever asyncua raises while ``doing`` into a RefusedError or a DriverError."""
    try:
        yield
    except FieldError:
        raise
    except ua.UaStatusCodeError as error:
        code = int(error.code)
        raise RefusedError(
            f"the server refused while {doing}: {code_name(code)}",
            hint=_HINTS.get(code, "look the status code up in the server's log"),
            code=code,
        ) from error
    except TimeoutError as error:
        raise DriverError(
            f"the server did not answer while {doing}",
            hint="look at the server and the network; timeout_s is the patience",
        ) from error
    # On a broken line asyncua raises, by place: OSError, UaError, struct.error, AssertionError,
    # InvalidSignature and the bare Exception; none of them is another driver's business.
    except Exception as error:
        raise DriverError(
            f"the line broke while {doing}: {type(error).__name__} {error}",
            hint="look at the server and the network",
        ) from error


def code_name(code: int) -> str:
    """Return a status code's name and number, for a person."""
    name, _ = ua.status_codes.get_name_and_doc(code)
    return f"{name} (0x{code:08X})"


CERTIFICATE_REFUSED: Final = frozenset(
    {
        int(ua.StatusCodes.BadSecurityChecksFailed),
        int(ua.StatusCodes.BadCertificateUntrusted),
        int(ua.StatusCodes.BadCertificateInvalid),
    }
)
"""What a server answers to a client whose certificate it does not trust."""

_HINTS: Final = {
    int(ua.StatusCodes.BadUserAccessDenied): "check user and password, and the user's rights",
    int(ua.StatusCodes.BadIdentityTokenRejected): (
        "check user and password; the server may want a user where none is set, or the reverse"
    ),
    int(ua.StatusCodes.BadIdentityTokenInvalid): "check user and password",
    int(ua.StatusCodes.BadCertificateUntrusted): (
        "move this gateway's certificate into the server's trusted certificates"
    ),
    int(ua.StatusCodes.BadSecurityChecksFailed): (
        "move this gateway's certificate into the server's trusted certificates; "
        "if it is there, look at its time of validity"
    ),
    int(ua.StatusCodes.BadCertificateUriInvalid): (
        "make application_uri and the gateway's certificate agree"
    ),
    int(ua.StatusCodes.BadCertificateTimeInvalid): (
        "renew the gateway's certificate, or set the clock that is wrong"
    ),
    int(ua.StatusCodes.BadTooManySessions): "close sessions that the server holds for others",
    int(ua.StatusCodes.BadMaxConnectionsReached): "close sessions that the server holds for others",
    int(ua.StatusCodes.BadShutdown): "none needed: the driver connects anew",
    int(ua.StatusCodes.BadSessionIdInvalid): "none needed: the driver makes a new session",
}
