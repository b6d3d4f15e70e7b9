"""The supervisors themselves, the compiled one and its twin: what they tell, and that it is so."""

import asyncio
import os

import pytest

from shelltool.exec_server.processes.supervising import Launch, News, Supervisor, python_supervisor

SCRIPT = "trap '' TERM; setsid sh -c 'echo $$; exec sleep 60' & sleep 60"
FILES = 1024


@pytest.fixture(params=["compiled", "python"])
def program(request, installation):
    return installation.supervisor if request.param == "compiled" else python_supervisor()


async def test_nothing_is_left_when_a_supervisor_says_so(program):
    """Its guard would end the rest, but later; so what the supervisor itself has seen is asked for."""
    news: asyncio.Queue[tuple[News, int]] = asyncio.Queue()
    ours, its = os.pipe()
    launch = Launch(
        program="/bin/sh",
        argv=("sh", "-c", SCRIPT),
        env={"PATH": "/usr/bin:/bin"},
        cwd="/",
        streams=(its, its, its),
        terminal=False,
    )
    supervisor = Supervisor(program, launch, lambda *told: news.put_nowait(told), FILES)
    os.close(its)
    with os.fdopen(ours, "rb") as output:
        child = int(await asyncio.to_thread(output.readline))
        supervisor.end_all()
        told = [await news.get()]
        while told[-1][0] != News.GONE:
            told.append(await news.get())
        assert [kind for kind, _ in told] == [News.STARTED, News.EXITED, News.GONE]
        assert told[-1] == (News.GONE, 0)
        with pytest.raises(ProcessLookupError):
            os.kill(child, 0)
