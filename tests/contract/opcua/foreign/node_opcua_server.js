// A press by node-opcua: a node a type, history of the counter, an analog item, an alarm and an
// RFID reader of OPC 30010. Lines of JSON on standard input are what the equipment does.
"use strict";

const fs = require("node:fs");
const os = require("node:os");
const path = require("node:path");
const readline = require("node:readline");
const { OPCUACertificateManager } = require("node-opcua-certificate-manager");
const { OPCUAServer } = require("node-opcua-server");
const { nodesets } = require("node-opcua-nodesets");
const { DataType, Variant, VariantArrayType } = require("node-opcua-variant");
const { coerceStatusCode } = require("node-opcua-status-code");

const URI = "urn:lotproof:test:press";
const NODES = {
  Counter: [DataType.UInt32, 0],
  Temperature: [DataType.Double, 20.0],
  Pressure: [DataType.Float, 1.0],
  Offset: [DataType.Int16, 0],
  Running: [DataType.Boolean, false],
  Lot: [DataType.String, ""],
  Frame: [DataType.ByteString, Buffer.from([0])],
};
const [port, counted, limit] = process.argv.slice(2).map(Number);
const pki = fs.mkdtempSync(path.join(os.tmpdir(), "node-opcua-"));

function typed(name, given) {
  const [dataType] = NODES[name];
  const kind = given.kind === undefined ? dataType : DataType[given.kind];
  let value = given.value;
  if (value === "NaN") value = NaN;
  if (value === "-Infinity") value = -Infinity;
  if (kind === DataType.ByteString) value = Buffer.from(value, "hex");
  if (Array.isArray(value)) {
    return new Variant({ dataType: kind, arrayType: VariantArrayType.Array, value });
  }
  return new Variant({ dataType: kind, value });
}

async function main() {
  const server = new OPCUAServer({
    port,
    host: "127.0.0.1",
    hostname: "localhost",
    nodeset_filename: [nodesets.standard, nodesets.di, nodesets.autoId],
    securityPolicies: ["http://opcfoundation.org/UA/SecurityPolicy#None"],
    securityModes: [1],
    allowAnonymous: true,
    serverCertificateManager: new OPCUACertificateManager({ rootFolder: path.join(pki, "own") }),
    userCertificateManager: new OPCUACertificateManager({ rootFolder: path.join(pki, "users") }),
    // With a rate of 0 the server tells every change, and does not look at intervals.
    serverCapabilities: { minSupportedSampleRate: 0, operationLimits: { maxMonitoredItemsPerCall: limit } },
  });
  await server.initialize();
  const space = server.engine.addressSpace;
  const own = space.registerNamespace(URI);
  const press = own.addObject({
    organizedBy: space.rootFolder.objects,
    browseName: "Press",
    nodeId: "s=Press",
    eventNotifier: 1,
    notifierOf: space.rootFolder.objects.server, // where a ConditionRefresh begins to look
  });
  const nodes = {};
  for (const [name, [dataType, value]] of Object.entries(NODES)) {
    const options = {
      componentOf: press,
      browseName: name,
      nodeId: `s=${name}`,
      dataType: DataType[dataType],
      minimumSamplingInterval: 0,
      value: { dataType, value: name === "Counter" ? counted : value },
    };
    nodes[name] =
      name === "Pressure"
        ? own.addAnalogDataItem({
            ...options,
            engineeringUnitsRange: { low: 0, high: 200 },
          })
        : own.addVariable(options);
  }
  space.installHistoricalDataNode(nodes.Counter, { maxOnlineValues: 10000 });
  space.installAlarmsAndConditionsService();
  const level = own.addVariable({
    componentOf: press,
    browseName: "Level",
    nodeId: "s=Level",
    dataType: "Double",
    eventSourceOf: press,
    value: { dataType: DataType.Double, value: 0.5 },
  });
  own.instantiateExclusiveLimitAlarm(space.findEventType("ExclusiveLimitAlarmType"), {
    browseName: "LevelLimits",
    conditionName: "LevelLimits",
    componentOf: press,
    conditionSource: level,
    inputNode: level,
    highHighLimit: 0.9,
    highLimit: 0.8,
    lowLimit: 0.2,
    lowLowLimit: 0.1,
  });
  const alarmType = own.addEventType({ browseName: "PressAlarmType", nodeId: "i=7001" });
  await server.start();

  const acts = {
    put(given) {
      const node = nodes[given.name];
      const time = new Date(Date.now() + (given.shift || 0) * 1000);
      const status = coerceStatusCode(given.status || 0);
      node.setValueFromSource(typed(given.name, given), status, time);
    },
    level(given) {
      level.setValueFromSource(new Variant({ dataType: DataType.Double, value: given.value }));
    },
    alarm(given) {
      press.raiseEvent(alarmType, {
        message: { dataType: DataType.LocalizedText, value: { text: given.message } },
        severity: { dataType: DataType.UInt16, value: given.severity },
      });
    },
  };
  readline.createInterface({ input: process.stdin }).on("line", (line) => {
    const given = JSON.parse(line);
    try {
      acts[given.act](given);
    } catch (error) {
      console.log(`refused ${line}: ${error.message}`);
    }
  });
  console.log(server.endpoints[0].port);
}

process.on("exit", () => fs.rmSync(pki, { recursive: true, force: true }));
main().catch((error) => {
  console.error(error);
  process.exit(1);
});
