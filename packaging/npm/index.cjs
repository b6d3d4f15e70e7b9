"use strict";

const { accessSync, constants } = require("node:fs");
const path = require("node:path");

const platforms = require("./platforms.json");

const PACKAGE = "codex-shell-tool-mcp";

function platform() {
  const name = `${process.platform}-${process.arch}`;
  if (!Object.hasOwn(platforms, name)) {
    const known = Object.keys(platforms).join(", ");
    throw new Error(`${PACKAGE} has no shells for ${name}; it has some for ${known}`);
  }
  return platforms[name];
}

function locate(...parts) {
  const file = path.join(__dirname, "vendor", ...parts);
  try {
    accessSync(file, constants.X_OK);
  } catch (cause) {
    throw new Error(`${file} is missing or not executable: reinstall ${PACKAGE}`, { cause });
  }
  return file;
}

function shellPath(name) {
  const { target, variant } = platform();
  return locate(target, name, variant, name);
}

exports.targetTriple = () => platform().target;
exports.bashPath = () => shellPath("bash");
exports.zshPath = () => shellPath("zsh");
exports.execveWrapperPath = () => locate(platform().target, "codex-execve-wrapper");
