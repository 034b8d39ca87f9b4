"""What the sender of a webhook gets back."""

from uuid import UUID

from clozone.web.schema import ResponseModel


class Receipt(ResponseModel):
    """The delivery is stored. `duplicate` says that it had been stored before."""

    id: UUID
    duplicate: bool
