"""The reference page: current, and about everything."""

from shelltool.exec_server.reference import PAGE, main, render
from shelltool.exec_server.table import METHODS, NOTIFICATIONS


def test_the_page_is_what_the_code_says():
    assert PAGE.read_text(encoding="utf-8") == render()
    assert main(["--check"]) == 0


def test_every_method_and_notification_is_in_it():
    page = render()
    assert all(f"### `{name}`\n" in page for name in (*METHODS, *NOTIFICATIONS))


def test_every_function_of_the_table_exists_here_and_there():
    from shelltool.exec_server.client.remote_environment import RemoteEnvironment, RemoteHttp
    from shelltool.exec_server.client.remote_files import RemoteFiles
    from shelltool.exec_server.client.remote_processes import RemoteProcesses
    from shelltool.exec_server.files.service import LocalFiles
    from shelltool.exec_server.http_requests import LocalHttp
    from shelltool.exec_server.local_environment import LocalEnvironment
    from shelltool.exec_server.processes.service import LocalProcesses

    services = {
        "processes": (LocalProcesses, RemoteProcesses),
        "files": (LocalFiles, RemoteFiles),
        "http": (LocalHttp, RemoteHttp),
        "environment": (LocalEnvironment, RemoteEnvironment),
    }
    for method in METHODS.values():
        for service in services.get(method.service, ()):
            assert callable(getattr(service, method.function)), (method.name, service)
