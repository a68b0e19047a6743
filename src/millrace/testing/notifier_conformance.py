"""What every :class:`~millrace.interfaces.Notifier` keeps to.

Subclass it and give the fixture ``make_notifier``: a function that gives a new notifier of one place at every call.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from millrace.interfaces import Notifier

_LONG = 30.0
"""Seconds after which a wake-up is taken for lost. It comes within milliseconds."""


class NotifierConformance:
    """See the module."""

    def test_a_notification_wakes_every_listener(self, make_notifier: Callable[[], Notifier]) -> None:
        notifiers = [make_notifier() for _ in range(3)]
        woken = [threading.Event() for _ in range(4)]
        for notifier, event in zip(notifiers, woken, strict=False):
            notifier.listen(event.set)
        notifiers[0].listen(woken[3].set)
        for sender in (notifiers[0], make_notifier()):
            for event in woken:
                event.clear()
            sender.notify()
            assert all(event.wait(_LONG) for event in woken)

    def test_it_wakes_again_and_again(self, make_notifier: Callable[[], Notifier]) -> None:
        listener, sender = make_notifier(), make_notifier()
        woken = threading.Event()
        listener.listen(woken.set)
        for _ in range(5):
            woken.clear()
            sender.notify()
            assert woken.wait(_LONG)

    def test_a_burst_blocks_nobody(self, make_notifier: Callable[[], Notifier]) -> None:
        listener, sender = make_notifier(), make_notifier()
        go_on, woken = threading.Event(), threading.Event()

        def slow() -> None:
            woken.set()
            go_on.wait(_LONG)

        listener.listen(slow)
        for _ in range(300):
            sender.notify()
        assert woken.wait(_LONG)
        go_on.set()

    def test_nobody_listens(self, make_notifier: Callable[[], Notifier]) -> None:
        make_notifier().notify()

    def test_a_closed_listener_is_not_woken(self, make_notifier: Callable[[], Notifier]) -> None:
        closed, alive = make_notifier(), make_notifier()
        heard, woken = [], threading.Event()
        closed.listen(lambda: heard.append(1))
        alive.listen(woken.set)
        closed.close()
        closed.close()
        heard.clear()
        woken.clear()
        make_notifier().notify()
        assert woken.wait(_LONG)
        assert heard == []
