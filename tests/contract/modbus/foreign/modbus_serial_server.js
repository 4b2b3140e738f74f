// A server by modbus-serial, which asks for one register or bit at a time.
"use strict";

const { ServerTCP } = require("modbus-serial");
const image = require("./image.js");

const within = (value) => (at) => {
  if (at >= image.SIZE) throw { modbusErrorCode: 2 };
  return value(at);
};

const server = new ServerTCP(
  {
    getHoldingRegister: within(image.holding),
    getInputRegister: within(image.input),
    getCoil: within(image.coil),
    getDiscreteInput: within(image.discrete),
  },
  { host: "127.0.0.1", port: Number(process.argv[2]), unitID: 1 },
);
server.on("initialized", () => console.log(server._server.address().port));
