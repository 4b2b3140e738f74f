// A server by jsmodbus: it answers any unit, and gives nothing where a register is not there.
"use strict";

const net = require("net");
const modbus = require("jsmodbus");
const image = require("./image.js");

const registers = (value) => {
  const held = Buffer.alloc(image.SIZE * 2);
  for (let at = 0; at < image.SIZE; at++) held.writeUInt16BE(value(at), at * 2);
  return held;
};

const bits = (value) => {
  const held = Buffer.alloc(Math.ceil(image.SIZE / 8));
  for (let at = 0; at < image.SIZE; at++) if (value(at)) held[at >> 3] |= 1 << (at & 7);
  return held;
};

const listener = new net.Server();
new modbus.server.TCP(listener, {
  holding: registers(image.holding),
  input: registers(image.input),
  coils: bits(image.coil),
  discrete: bits(image.discrete),
});
listener.listen(0, "127.0.0.1", () => console.log(listener.address().port));
