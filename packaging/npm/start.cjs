"use strict";

const { spawn } = require("node:child_process");
const { fstatSync } = require("node:fs");
const { constants } = require("node:os");
const { isatty } = require("node:tty");

const CANNOT_RUN = 126;
const SIGNALLED = 128;
const HIGHEST_DESCRIPTOR = 1023;
// All that would end this process and leave the shell behind. Node can catch no others: those without a name, SIGKILL.
const PASSED_ON = [
  ...["SIGHUP", "SIGINT", "SIGQUIT", "SIGTERM", "SIGUSR1", "SIGUSR2"],
  ...["SIGALRM", "SIGVTALRM", "SIGPROF", "SIGIO", "SIGPWR", "SIGSTKFLT", "SIGXCPU"],
].filter((name) => name in constants.signals);

/** Run a shell in the place of this process, as far as Node can: same descriptors, same end. */
exports.start = (name, locate) => {
  let child;
  // Before the shell starts: it may have told someone that it is ready before this process goes on.
  const passedOn = passSignalsOn(() => child);
  const release = () => passedOn.forEach(([signal, listener]) => process.removeListener(signal, listener));
  try {
    child = spawn(locate(), process.argv.slice(2), { stdio: descriptors() });
  } catch (error) {
    release();
    fail(name, error);
    return;
  }
  child.on("error", (error) => {
    release();
    fail(name, error);
  });
  child.on("exit", (status, signal) => {
    release();
    if (signal) endBy(signal);
    else process.exitCode = status;
  });
};

function fail(name, error) {
  console.error(`${name}: ${error.message}`);
  process.exitCode = CANNOT_RUN;
}

/** The standard ones, and the session's socket: the wrapper finds it by its number. */
function descriptors() {
  const number = Number(process.env.CODEX_ESCALATE_SOCKET);
  const stdio = ["inherit", "inherit", "inherit"];
  if (!Number.isInteger(number) || number < stdio.length || number > HIGHEST_DESCRIPTOR || !isSocket(number)) {
    return stdio;
  }
  while (stdio.length < number) stdio.push("ignore");
  return [...stdio, number];
}

function isSocket(number) {
  try {
    return fstatSync(number).isSocket();
  } catch {
    return false;
  }
}

function passSignalsOn(shell) {
  // What a terminal sends, it sends to the shell as well.
  const typed = isatty(0) ? ["SIGINT", "SIGQUIT"] : [];
  return PASSED_ON.map((signal) => {
    const listener = () => typed.includes(signal) || shell()?.kill(signal);
    process.on(signal, listener);
    return [signal, listener];
  });
}

function endBy(signal) {
  // For those that Node ignores or uses itself, where the process lives on.
  process.exitCode = SIGNALLED + constants.signals[signal];
  if (signal !== "SIGUSR1") process.kill(process.pid, signal);
}
