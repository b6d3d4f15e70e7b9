from shelltool import errors


def test_every_error_has_an_exit_status_of_its_own_or_that_of_the_reference_programs():
    kinds = [
        kind
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, errors.ShellToolError)
    ]
    statuses = [kind.exit_code for kind in kinds]
    own = [status for status in statuses if status != errors.FAILED]
    assert len(set(own)) == len(own) >= len(kinds) - 2
    # 2 is a command line that makes no sense; from 126 on a shell gives the number a meaning of its own.
    assert all(1 <= status < 126 and status != 2 for status in statuses)
