import asyncio
import threading
from contextvars import ContextVar

import pytest

from clozone.kit.errors import Unavailable
from clozone.web.offload import Threads

colour: ContextVar[str] = ContextVar("colour", default="none")


def run(scenario) -> None:
    async def main() -> None:
        threads = Threads("test", size=1, wait_seconds=0.05)
        gate = threading.Event()
        try:
            await scenario(threads, gate)
        finally:
            gate.set()
            threads.close()

    asyncio.run(main())


def test_a_full_pool_refuses_after_the_wait_and_says_when_to_return():
    async def scenario(threads: Threads, gate: threading.Event) -> None:
        busy = asyncio.create_task(threads.run(gate.wait))
        await asyncio.sleep(0)
        with pytest.raises(Unavailable) as caught:
            await threads.run(lambda: None)
        assert caught.value.headers == {"Retry-After": "1"}
        gate.set()
        await busy
        assert await threads.run(lambda: "free") == "free"

    run(scenario)


def test_a_cancelled_caller_keeps_its_slot_until_the_work_has_ended():
    async def scenario(threads: Threads, gate: threading.Event) -> None:
        finished = threading.Event()

        def work() -> None:
            gate.wait()
            finished.set()

        caller = asyncio.create_task(threads.run(work))
        await asyncio.sleep(0.01)
        caller.cancel()
        with pytest.raises(asyncio.CancelledError):
            await caller
        with pytest.raises(Unavailable):
            await threads.run(lambda: None)
        gate.set()
        await asyncio.to_thread(finished.wait)
        assert await threads.run(lambda: "free") == "free"

    run(scenario)


def test_a_slot_is_free_again_after_an_error():
    async def scenario(threads: Threads, _gate: threading.Event) -> None:
        for _ in range(3):
            with pytest.raises(ZeroDivisionError):
                await threads.run(lambda: 1 / 0)
        assert await threads.run(lambda: "free") == "free"

    run(scenario)


def test_context_variables_go_along_and_do_not_come_back():
    async def scenario(threads: Threads, _gate: threading.Event) -> None:
        colour.set("red")

        def work() -> str:
            seen = colour.get()
            colour.set("blue")
            return seen

        assert await threads.run(work) == "red"
        assert colour.get() == "red"

    run(scenario)
