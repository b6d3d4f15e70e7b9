#!/usr/bin/env node
"use strict";

const { zshPath } = require("../index.cjs");

require("../start.cjs").start("codex-zsh", zshPath);
