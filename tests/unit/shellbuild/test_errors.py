from shellbuild import errors


def test_every_error_has_an_exit_status_of_its_own():
    kinds = [
        kind
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, errors.ShellBuildError)
    ]
    statuses = [kind.exit_code for kind in kinds]
    assert len(set(statuses)) == len(kinds)
    assert all(2 <= status < 64 for status in statuses)
