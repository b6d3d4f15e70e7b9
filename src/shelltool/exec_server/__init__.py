"""Processes and files over JSON-RPC, for clients that may lose their connection and come back.

How it is put together, from the wire inwards; `docs/exec-server.md` is the reference:

* `messages.Message`: base of all params and results (camelCase, strict, unknown members ignored); `messages.Base64`,
  `paths.WirePath` (native path or `file:` URI in, native in Python, URI out) are field types.
* `errors.RpcError`: what a handler raises: code, message, `data` of errno and path; `from_os_error` makes one.
* `methods.Method`: one row per method: name, models, and which function of which service does it. `table.py` gathers
  the rows: `processes/methods.py`, `files/methods.py` (FILE_METHODS), `http_methods.py` (HTTP_METHODS), ...
* `environment_api.Environment`: processes, files, http, info. Functions take the params model and return the result
  model. The server's dispatcher finds `fs/readFile` in the table and awaits `environment.files.read_file(params)`;
  the remote environment has the same functions and sends the request, so a row needs no code in server or client.
* A `FileService` (Protocol in `files/api.py`) and an `HttpService` (Protocol in `http_messages.py`) live as long as one
  connection: handles and streams are theirs, `await close()` ends them. What outlives connections (the pool of
  sandbox helpers) is made once by the server and handed to the constructor. Notifications (`http/request/bodyDelta`,
  `fs/missingChanged`) go to the `notify: environment_api.Notify` given to the constructor.
* Handlers run concurrently on one event loop: blocking file calls go to threads. Rows with `ordered_by="handle_id"`
  keep the order of requests with the same value.
* No module may be called `http.py` (a test forbids names of the standard library): `http_requests.py` and so on.
"""
