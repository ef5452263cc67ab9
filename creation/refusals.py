"""Refusal of a photo."""


class RefusedPhoto(Exception):
    """
    Photo that no avatar can be made from.

    ``code`` is for programs, for example ``no_face``. The text is one sentence that
    says why, and what to do.
    """

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code
