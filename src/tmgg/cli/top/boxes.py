"""Boxes above a screen: words to read, and a question before something is done."""

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Static

from tmgg.console.visible import visible


class Words(ModalScreen[None]):
    """A text to read; any of the usual keys goes back."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,enter,q,e", "dismiss", "back")]

    def __init__(self, text: str) -> None:
        super().__init__()
        self._text = visible(text)

    def compose(self) -> ComposeResult:
        with VerticalScroll(id="box"):
            yield Static(self._text, markup=False)


class Question(ModalScreen[bool]):
    """Answers True for y only."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "answer(True)", "yes"),
        Binding("n,escape,q,enter", "answer(False)", "no"),
    ]

    def __init__(self, text: str) -> None:
        super().__init__()
        self._text = visible(text)

    def compose(self) -> ComposeResult:
        with VerticalScroll(id="box"):
            yield Static(f"{self._text}\n\ny: yes    n: no", markup=False)

    def action_answer(self, is_yes: bool) -> None:
        self.dismiss(is_yes)
