// What every server here holds; tests/contract/modbus/foreign/servers.py says the same.
"use strict";

const SIZE = 300;

exports.SIZE = SIZE;
exports.holding = (at) => (at * 257 + 3) % 65536;
exports.input = (at) => (at * 11 + 1) % 65536;
exports.coil = (at) => at % 3 === 0;
exports.discrete = (at) => at % 2 === 1;
