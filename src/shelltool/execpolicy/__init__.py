"""The `.rules` language: what a rules file says about a command, and what to do when none says anything.

Public API, imported from the module that holds it (no re-exports: the child that evaluates rules files
imports this package, and has to start fast):

- `layers.PolicyLayers.load(workdir=…) -> layers.LoadedPolicy(policy, problems)`: the rules of the system, the
  user and a trusted project. Starts child processes and waits for them: call it off the event loop.
- `layers.LoadedPolicy.decide(argv, program=…, real_program=…) -> verdict.Verdict`: allow, prompt or forbidden,
  why, and whether running means outside the sandbox. Microseconds, no I/O, any thread.
- `loading.load_rules(paths) -> policy.Policy`: named files, all of them good or `errors.RulesFileError`.
- `policy.Policy.evaluate(argv, resolution=…) -> policy.Evaluation`: the rules alone, as `codex-execpolicy check`.
- `amendments.append_prefix_rule`, `amendments.append_network_rule`: persist what a person agreed to.

Knows nothing of escalation, sandboxes, MCP or shells. The language is described in `docs/execpolicy.md`.
"""
