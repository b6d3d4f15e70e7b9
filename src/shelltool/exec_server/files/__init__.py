"""The file service of the exec server: section 7 of the protocol, on this machine and inside its sandboxes.

* `messages`, `methods`, `api`: what is on the wire, one row for each method, and the service's interface.
* `service.LocalFiles`: the service of this machine; `workers.FileWorkers`: the threads and sandbox helpers behind it,
  made once by the server.
* `contents`, `folders`, `walking`, `copying`, `removing`, `handles`: what the methods do, in plain blocking functions
  over `calls.Calls`. The calls are those of this process, or of a `helper` inside the sandbox of one policy.

`fs/*` without `sandbox` can do whatever the server's user can. What a sandbox allows is up to `shelltool.sandbox`; that
nothing leaves it, to the kernel.
"""
