"""Transcript of the user's speech, as the recogniser finds it, in pieces to append."""


class UserText:
    """Words of one turn of the user. A recogniser tells all of them each time."""

    def __init__(self) -> None:
        self._told = ""

    def more(self, transcript: str) -> str:
        """
        Return what a newer transcript appends to the last one.

        It is empty if the recogniser has changed its mind: what was told cannot be
        taken back, and the final transcript corrects it.
        """
        if not transcript.startswith(self._told):
            return ""
        more = transcript[len(self._told) :]
        self._told = transcript
        return more

    def end(self) -> None:
        """Forget the turn, whose final transcript is there."""
        self._told = ""
