"""KeyboardInterrupt at every place where Python may raise it: as a call begins and as one ends.

Signals are served where a function of Python's begins and where a call of one of C's has ended;
a profile function is called at just these places, and what it raises is raised there.
"""

import sys
from collections.abc import Callable, Iterator
from types import FrameType, ModuleType
from typing import Any


def interruptions(call: Callable[[], Any], *modules: ModuleType) -> Iterator[BaseException | None]:
    """Runs a call again and again, interrupted at its first, second, … such place in the modules.

    Yields what it raised each time; ends when it has met no more places.
    """
    files = {str(module.__file__) for module in modules}
    place = 0
    while True:
        place += 1
        left = place

        def interrupt(frame: FrameType, event: str, argument: object) -> None:
            nonlocal left
            if frame.f_code.co_filename in files and event in ("call", "c_return"):
                left -= 1
                if not left:
                    sys.setprofile(None)
                    raise KeyboardInterrupt

        raised: BaseException | None = None
        sys.setprofile(interrupt)
        try:
            call()
        except KeyboardInterrupt as error:
            raised = error.with_traceback(None)
        finally:
            sys.setprofile(None)
        if left > 0:
            return
        yield raised
