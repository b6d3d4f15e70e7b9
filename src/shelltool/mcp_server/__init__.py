"""`codex-exec-mcp-server`: the tool `shell` for agents, every exec of it judged, over MCP on stdio.

A thin adapter: rules come from `execpolicy`, confinement from `sandbox`, running and escalating from `escalation`;
here they are put together and spoken about in MCP (https://modelcontextprotocol.io/specification/2025-11-25). Nothing
imports this package. How it behaves is in `docs/mcp-server.md`.
"""
