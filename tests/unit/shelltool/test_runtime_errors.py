from shelltool import errors


def test_every_error_has_an_exit_status_of_its_own():
    kinds = [
        kind
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, errors.ShellToolError)
    ]
    statuses = [kind.exit_code for kind in kinds]
    assert len(set(statuses)) == len(kinds)
    # 2 is a command line that makes no sense; from 126 on a shell gives the number a meaning of its own.
    assert all(1 <= status < 126 and status != 2 for status in statuses)
