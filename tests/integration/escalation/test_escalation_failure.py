"""An escalated exec that fails looks as in the shell: with both keepers."""

from integration.escalation.faithful import escalate
from integration.escalation.world import ByName
from shelltool.escalation import Escalate


def test_a_script_without_a_shebang_is_read_by_bash_and_its_commands_judged(kept):
    kept.put("prog", "cat /dev/null; echo ran\n")
    done = escalate(kept, "./prog")
    assert done.output == b"ran\n"
    assert done.names == ["cat"]


def test_a_program_that_turns_bad_between_question_and_exec_is_explained(kept):
    kept.put("prog", "#!/bin/sh\n")

    class Late(ByName):
        def decide_now(self, request):
            assert request.resolved
            kept.put("prog", "#!/no/such/interpreter\n")
            return Escalate(even_if_writable=True)

    done = kept.run("./prog; echo $?", policy=Late())
    assert done.stdout == b"126\n"
    assert done.stderr == b"bash: ./prog: /no/such/interpreter: bad interpreter: No such file or directory\n"


def test_a_working_directory_that_is_gone_keeps_the_command_inside(kept):
    done = kept.run(
        "mkdir gone; cd gone; rmdir ../gone; cat /dev/null && echo ran", policy=ByName(escalated=["cat"])
    )
    assert done.stdout == b"ran\n"
