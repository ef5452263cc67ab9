"""Answers of a Realtime server, until it is known what was heard of them."""

from dataclasses import dataclass


@dataclass(slots=True)
class _Answer:
    newest_speech: int  # when the server told of it: no later speech has this answer
    complete: bool = False


class UnheardAnswers:
    """
    Answers until it is known whether they were heard.

    A model sends an answer of seconds at once.  An interruption before its first sample
    is played leaves it complete in the server's history, and the framework says
    nothing of it.  Which speech has which answer is not told either: an answer is given
    up when no speech is left that could have it.
    """

    def __init__(self) -> None:
        self._answers: dict[str, _Answer] = {}  # by the id of the item
        self._speeches: set[int] = set()  # that are not over
        self._newest = 0

    @property
    def open(self) -> set[str]:
        """Ids of the answers of which it is not known how much will be heard."""
        return set(self._answers)

    def begin_speech(self) -> int:
        """Note a speech, and return its number."""
        self._newest += 1
        self._speeches.add(self._newest)
        return self._newest

    def end_speech(self, number: int, *, interrupted: bool) -> None:
        """Note that a speech is over; one that nobody has interrupted was heard."""
        self._speeches.discard(number)
        if not interrupted:
            self._answers = {
                item_id: answer
                for item_id, answer in self._answers.items()
                if answer.newest_speech != number
            }

    def begin_answer(self, item_id: str) -> None:
        """Note an answer that the server begins."""
        self._answers[item_id] = _Answer(self._newest)

    def complete(self) -> None:
        """Note that the server has ended its response."""
        for answer in self._answers.values():
            answer.complete = True

    def settle(self, item_id: str) -> None:
        """Note that the framework has told how much of an answer was heard."""
        self._answers.pop(item_id, None)

    def take(self) -> list[str]:
        """Return the ids of the answers that no speech can play any more, once."""
        oldest = min(self._speeches, default=self._newest + 1)
        found = [
            item_id
            for item_id, answer in self._answers.items()
            if answer.complete and answer.newest_speech < oldest
        ]
        for item_id in found:
            del self._answers[item_id]
        return found
