#!/usr/bin/env node
"use strict";

const { bashPath } = require("../index.cjs");

require("../start.cjs").start("codex-bash", bashPath);
