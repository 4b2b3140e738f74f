// Checks 13 to 15: the record against its series, and the series against the bundles.

/** Return the three checks, and the readings that were altered. */
function checkReadings(dossier, chains) {
  let record;
  try {
    record = readRecord(dossier.record);
  } catch (error) {
    if (!(error instanceof RecordRefusal)) throw error;
    const undecided = ["it takes a record that can be read (check 13)"];
    const rest = [14, 15].map((number) => conclude(number, "", { undecided }));
    return { checks: [conclude(13, "", { failed: [error.message] }), ...rest], altered: [] };
  }
  const { series, unreadable } = readAllSeries(dossier);
  const result = { failed: [], undecided: [], altered: [] };
  let figures = [];
  for (const parameter of record.parameters) {
    const own = parameter.series === null ? null : series.get(parameter.series.name);
    if (own === undefined) continue; // a missing series is named by check 13
    figures = figures.concat(judgeFigures(parameter, compareParameter(parameter, own, chains, result)));
  }
  if (result.altered.length) {
    result.failed.push(`${result.altered.length} readings differ between the record and the bundles`);
  }
  let count = 0;
  for (const { parts } of series.values()) for (const part of parts) count += part.readings.length;
  const excursions = record.parameters.reduce((sum, { excursions: own }) => sum + own.length, 0);
  const checks = [
    conclude(13, `${record.parameters.length} parameters`, {
      failed: [...unreadable, ...recordProblems(record, dossier)],
    }),
    conclude(14, `${count} readings in ${series.size} series`, result),
    conclude(15, `${excursions} excursions`, { failed: figures }),
  ];
  return { checks, altered: result.altered };
}

function readAllSeries(dossier) {
  const series = new Map();
  const unreadable = [];
  for (const [name, data] of dossier.series) {
    try {
      series.set(name, decodeSeries(data));
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      unreadable.push(`series ${name}: ${error.message}`);
    }
  }
  return { series, unreadable };
}

function recordProblems(record, said) {
  const problems = [];
  if (record.gtin !== said.gtin || record.lot !== said.lot) {
    problems.push(`the record is of lot ${record.lot} of ${record.gtin}, the manifest of ${said.lot}`);
  }
  if (record.rule !== said.rule) {
    problems.push(`the record was bound by rule ${record.rule}, the manifest states ${said.rule}`);
  }
  if (record.window.start !== said.window.start || record.window.end !== said.window.end) {
    problems.push("the record's window is not the manifest's");
  }
  const named = record.parameters.flatMap(({ series }) => (series === null ? [] : [series.name]));
  const times = new Map();
  for (const name of named) times.set(name, (times.get(name) ?? 0) + 1);
  for (const name of [...new Set([...named, ...said.series.keys()])].sort(byCharacter)) {
    if (times.get(name) !== 1 || !said.series.has(name)) {
      problems.push(`series ${name} is not held once and named once`);
    }
  }
  const gateways = new Set(said.chains.map((chain) => chain.gateway));
  for (const { signal, gateway, series, intervals } of record.parameters) {
    if (series !== null && toHex(sha256(said.series.get(series.name) ?? NOTHING)) !== series.sha256) {
      problems.push(`${signal}: its series is not the one that the record names by hash`);
    }
    if (!gateways.has(gateway)) problems.push(`${signal}: no bundle of its gateway ${gateway} is held`);
    if (intervals.some(({ start, end }) => start < record.window.start || end > record.window.end)) {
      problems.push(`${signal}: an interval reaches out of the record's window`);
    }
  }
  return problems;
}

/**
 * Select the parameter's readings from the bundles again and hold its series against them.
 *
 * Returns the readings that its figures must follow from: the series', which is proved or refuted
 * here, or those of the bundles where the parameter has none.
 */
function compareParameter(parameter, series, chains, result) {
  const { signal, gateway } = parameter;
  const own = chains.filter(([bundle]) => bundle.chain.gateway === gateway).flat();
  const held = own.map((bundle) => findReadings(parameter, bundle));
  for (const { bundle, readings } of held) {
    if (readings.length && !bundle.within) {
      result.failed.push(`${bundle} holds readings of ${signal} that are the lot's`);
    }
  }
  const within = held.filter(({ bundle }) => bundle.within);
  if (series === null) return within.flatMap(({ readings }) => readings);
  if (series.signal !== signal) result.failed.push(`${signal}: its series is of ${series.signal}`);
  const recorded = new Map();
  const bundles = new Map(own.map((each) => [`${each.chain.gateway}/${each.chain.epoch}/${each.number}`, each]));
  for (const part of series.parts) {
    for (const [at, run] of part.runs.entries()) {
      const number = part.first + BigInt(at);
      const key = `${part.gateway}/${part.epoch}/${number}`;
      for (const reading of run) reading.time = readingTime(reading, bundles.get(key)?.placement);
      if (recorded.has(key)) result.failed.push(`${signal}: its series has bundle ${number} twice`);
      recorded.set(key, run);
    }
  }
  for (const found of within) {
    const { chain, number } = found.bundle;
    const key = `${chain.gateway}/${chain.epoch}/${number}`;
    compareBundle(parameter, found, recorded.get(key) ?? [], result);
    recorded.delete(key);
  }
  if (recorded.size) {
    result.failed.push(`${signal}: its series has ${recorded.size} bundles that are not the lot's`);
  }
  return series.parts.flatMap((part) => part.readings);
}

/** Return what a bundle holds of a parameter, and whether all of the bundle could be read. */
function findReadings({ signal, intervals }, bundle) {
  const { columns, whole } = bundle.readable;
  const wanted = (time) => intervals.some(({ start, end }) => start <= time && time < end);
  const readings = [];
  for (const place of [...columns.keys()].sort((one, two) => one - two)) {
    const column = columns.get(place);
    if (column.signal !== signal) continue;
    for (const reading of column.readings(wanted, bundle.placement)) {
      reading.column = place;
      readings.push(reading);
    }
  }
  return { bundle, readings, whole };
}

function compareBundle({ signal }, { bundle, readings, whole }, recorded, result) {
  if (recorded.length && !readings.length && !whole) {
    const times = recorded.map(({ time }) => time);
    const [first, last] = [times.reduce(least), times.reduce(greatest)].map(showTime);
    const what = `cannot be read where it held ${recorded.length} readings of ${signal}`;
    result.failed.push(`${bundle} ${what} from ${first} to ${last}`);
    return;
  }
  const differing = differences(recorded, readings);
  for (const [said, found] of differing) result.altered.push(tellDifference(signal, bundle, said, found));
  if (!bundle.proved && !differing.length) {
    const held = `the ${recorded.length} readings of ${signal} in it are as the record has them`;
    result.undecided.push(`${bundle} is not proved; ${held}`);
  }
}

/** Pair the readings that differ; where their counts differ, between equal ends. */
function differences(recorded, found) {
  const shorter = Math.min(recorded.length, found.length);
  let start = 0;
  while (start < shorter && sameReading(recorded[start], found[start])) start += 1;
  let end = 0;
  while (end < shorter - start && sameReading(recorded.at(-1 - end), found.at(-1 - end))) end += 1;
  const pairs = [];
  for (let at = start; at < Math.max(recorded.length, found.length) - end; at += 1) {
    const said = at < recorded.length - end ? recorded[at] : null;
    const held = at < found.length - end ? found[at] : null;
    if (said === null || held === null || !sameReading(said, held)) pairs.push([said, held]);
  }
  return pairs;
}

function tellDifference(signal, bundle, said, found) {
  return {
    signal,
    time: showTime((said ?? found).time),
    recorded: said && showReading(said, found),
    found: found && showReading(found, said),
    gateway: bundle.chain.gateway,
    epoch: bundle.chain.epoch,
    bundle: bundle.number,
    column: found ? found.column : -1,
    index: found ? found.position : -1,
    culprit: bundle.proved && !bundle.misplaced ? "record" : "bundle",
  };
}

/** Return value and status, and the time where that is what differs from `other`. */
function showReading(reading, other) {
  const { value, status } = reading;
  let text;
  if (value instanceof TagRead) text = `${toHex(value.epc)} x${value.numbers.at(-1)}`;
  else text = isBytes(value) ? toHex(value) : show(value);
  const shown = `${text} ${STATUS_NAMES[status]}`;
  if (other === null || other.status !== status || !sameValue(other.value, value)) return shown;
  return `${shown} (code ${reading.code}, at ${showTime(reading.time)})`;
}
