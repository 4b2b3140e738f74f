// What the batch record says, and whether it follows from readings (docs/specs/dossier.md, "Record").

/** Return what a record says; a RecordRefusal where it does not say what it must. */
function readRecord(data) {
  const name = "the record";
  const fields = readJson(data, name);
  return saying(name, () => {
    const [lot, window] = [field(fields, "lot"), field(fields, "window")];
    return {
      gtin: textOf(lot, "gtin"),
      lot: textOf(lot, "lot"),
      rule: textOf(fields, "rule"),
      window: readInterval([field(window, "start"), field(window, "end")]),
      parameters: [
        ...listOf(fields, "parameters"),
        ...(fields.has("other_parameters") ? listOf(fields, "other_parameters") : []),
      ].map(readParameter),
    };
  });
}

function readParameter(item) {
  return {
    signal: textOf(item, "signal"),
    gateway: textOf(item, "gateway"),
    intervals: listOf(item, "intervals").map(readInterval),
    series: readReference(field(item, "series")),
    figures: mapOf(item, "figures"),
    limits: listOf(item, "limits").map(readLimit),
    excursions: listOf(item, "excursions").map(readExcursion),
  };
}

function readReference(item) {
  return item === null ? null : { name: textOf(item, "name"), sha256: textOf(item, "sha256") };
}

function readLimit(item) {
  const side = field(item, "side");
  if (side !== "high" && side !== "low") throw new RecordRefusal(`${show(side)} is no side of a limit`);
  return { id: textOf(item, "id"), side, value: numberOf(item, "value") };
}

function readExcursion(item) {
  return {
    limit: textOf(item, "limit"),
    start: parseTime(textOf(item, "start")),
    end: field(item, "end") === null ? null : parseTime(textOf(item, "end")),
    extreme: numberOf(item, "extreme"),
    readings: field(item, "readings"),
  };
}

function readInterval(item) {
  if (!isList(item) || item.length !== 2) throw new Shortcoming("an interval is not two times");
  const [start, end] = item.map((each) => parseTime(asText(each)));
  if (start > end) throw new RecordRefusal(`an interval ends before it starts: ${item[0]}`);
  return { start, end };
}

function sameFigure(said, true_) {
  if (isNumber(said) && isNumber(true_)) return said == true_; // eslint-disable-line eqeqeq -- 1n is 1.0
  return said === true_;
}

/** Return what is wrong with a parameter's figures and excursions, given its readings. */
function judgeFigures(parameter, readings) {
  const { signal, figures } = parameter;
  const valid = readings.filter((each) => isNumber(each.value) && each.status !== BAD);
  const [least, greatest] = [extremeOf(valid, (one, two) => one < two), extremeOf(valid, (one, two) => one > two)];
  const count = (status) => BigInt(readings.filter((each) => each.status === status).length);
  const reckoned = new Map([
    ["readings", BigInt(readings.length)],
    ["good", count(GOOD)],
    ["uncertain", count(UNCERTAIN)],
    ["bad", count(BAD)],
    ["min", least],
    ["max", greatest],
  ]);
  if (figures.has("min_time")) reckoned.set("min_time", firstTime(valid, least));
  if (figures.has("max_time")) reckoned.set("max_time", firstTime(valid, greatest));
  const wrong = [];
  for (const [name, value] of reckoned) {
    const said = figures.has(name) ? figures.get(name) : "nothing";
    if (!sameFigure(said, value)) {
      wrong.push(`${signal}: the record says ${name} ${show(said)}, its readings give ${show(value)}`);
    }
  }
  const known = new Set(parameter.limits.map((limit) => limit.id));
  for (const each of parameter.excursions) {
    if (!known.has(each.limit)) {
      wrong.push(`${signal}: an excursion names ${quote(each.limit)}, which is no limit of it`);
    }
  }
  return wrong.concat(...parameter.limits.map((limit) => judgeExcursions(parameter, limit, valid)));
}

function judgeExcursions(parameter, limit, valid) {
  const beyond = limit.side === "high" ? (one, two) => one > two : (one, two) => one < two;
  const outside = valid.filter((each) => beyond(each.value, limit.value));
  const excursions = parameter.excursions.filter((each) => each.limit === limit.id);
  const covers = (each, time) => each.start <= time && (each.end === null || time < each.end);
  const subject = `${parameter.signal}, limit ${limit.id}`;
  const wrong = [];
  for (const { time, value } of outside) {
    const covering = excursions.filter((each) => covers(each, time)).length;
    if (covering !== 1) {
      const where = `and lies in ${covering} excursions of the record, not in one`;
      wrong.push(`${subject}: ${show(value)} at ${showTime(time)} is outside, ${where}`);
    }
  }
  for (const each of excursions) {
    const within = outside.filter(({ time }) => covers(each, time));
    const when = `${subject}: the excursion from ${showTime(each.start)}`;
    if (!within.length) {
      wrong.push(`${when} holds no reading outside`);
      continue;
    }
    const extreme = extremeOf(within, beyond);
    const said = typeof each.readings === "string" ? each.readings : show(each.readings);
    if (firstOf(within) !== each.start) wrong.push(`${when} does not start at a reading outside`);
    if (!sameFigure(each.extreme, extreme)) {
      wrong.push(`${when} has the extreme ${show(extreme)}, the record says ${show(each.extreme)}`);
    }
    if (!sameFigure(each.readings, BigInt(within.length))) {
      wrong.push(`${when} has ${within.length} readings, the record says ${said}`);
    }
  }
  return wrong;
}

/** Return the value that no other is beyond, the first of equal ones; null where there is none. */
function extremeOf(readings, beyond) {
  let found = null;
  for (const { value } of readings) if (found === null || beyond(value, found)) found = value;
  return found;
}

function firstOf(readings) {
  return readings.reduce((first, { time }) => (first === null || time < first ? time : first), null);
}

/** Return when a value first came, as the record writes it. */
function firstTime(readings, wanted) {
  const first = firstOf(readings.filter(({ value }) => sameFigure(value, wanted)));
  return first === null ? null : showTime(first);
}
