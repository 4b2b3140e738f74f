// What the batch record says, and whether it follows from readings (docs/specs/dossier.md, "Record").

const JSON_DEPTH_MAX = 900;
const JSON_DIGITS_MAX = 4300;
const HAS_NOT = "the record does not say what it must:";

/** Return what a record says; a RecordRefusal where it does not say what it must. */
function readRecord(data) {
  const text = fromUtf8(data);
  if (text === null) throw new RecordRefusal(`${HAS_NOT} it is not UTF-8`);
  const fields = new JsonReader(text).read();
  try {
    const [lot, window] = [field(fields, "lot"), field(fields, "window")];
    const others = isMap(fields) && fields.has("other_parameters") ? listOf(fields, "other_parameters") : [];
    return {
      gtin: textOf(lot, "gtin"),
      lot: textOf(lot, "lot"),
      rule: textOf(fields, "rule"),
      window: readInterval([field(window, "start"), field(window, "end")]),
      parameters: [...listOf(fields, "parameters"), ...others].map(readParameter),
    };
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    throw new RecordRefusal(`the record cannot be read: ${error.message}`);
  }
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
  if (!isList(item) || item.length !== 2) throw new RecordRefusal(`${HAS_NOT} an interval is not two times`);
  const [start, end] = item.map((each) => parseTime(asText(each)));
  if (start > end) throw new RecordRefusal(`an interval ends before it starts: ${item[0]}`);
  return { start, end };
}

function field(item, name) {
  if (!isMap(item) || !item.has(name)) throw new RecordRefusal(`${HAS_NOT} ${quote(name)} is missing`);
  return item.get(name);
}

function listOf(item, name) {
  const value = field(item, name);
  if (!isList(value)) throw new RecordRefusal(`${HAS_NOT} ${quote(name)} is not an array`);
  return value;
}

function mapOf(item, name) {
  const value = field(item, name);
  if (!isMap(value)) throw new RecordRefusal(`${HAS_NOT} ${quote(name)} is not an object`);
  return value;
}

const textOf = (item, name) => asText(field(item, name));

function asText(value) {
  if (!isText(value)) throw new RecordRefusal(`${show(value)} stands where the record has a text`);
  return value;
}

function numberOf(item, name) {
  const value = field(item, name);
  if (!isNumber(value) || !Number.isFinite(Number(value))) {
    throw new RecordRefusal(`${show(value)} stands where the record has a number`);
  }
  return value;
}

/** Integers are BigInt and fractions Number, wherever they come from: 1n == 1.0, and 1 < 1.5 < 2n. */
const isNumber = (value) => typeof value === "bigint" || typeof value === "number";

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

/**
 * Reads JSON (RFC 8259) without losing anything of it: integers as BigInt, objects as Map, a field
 * that stands there twice refused.
 */
class JsonReader {
  constructor(text) {
    this.text = text;
    this.at = 0;
  }

  read() {
    const value = this.value(0);
    this.blank();
    if (this.at < this.text.length) this.refuse("something follows it");
    return value;
  }

  refuse(why) {
    throw new RecordRefusal(`${HAS_NOT} ${why} (character ${this.at})`);
  }

  next(pattern) {
    pattern.lastIndex = this.at;
    const found = pattern.exec(this.text);
    if (found !== null) this.at = pattern.lastIndex;
    return found;
  }

  blank() {
    this.next(/[ \t\n\r]*/y);
  }

  take(mark) {
    this.blank();
    const there = this.text[this.at] === mark;
    if (there) this.at += 1;
    return there;
  }

  value(depth) {
    if (depth > JSON_DEPTH_MAX) this.refuse("it is nested too deep");
    this.blank();
    const first = this.text[this.at];
    if (first === "{") return this.object(depth + 1);
    if (first === "[") return this.array(depth + 1);
    if (first === '"') return this.string();
    const word = this.next(/true|false|null/y);
    if (word !== null) return { true: true, false: false, null: null }[word[0]];
    const constant = this.next(/NaN|-?Infinity/y);
    if (constant !== null) throw new RecordRefusal(`${constant[0]} stands in the record`);
    const number = this.next(/(-?(?:0|[1-9][0-9]*))(\.[0-9]+)?([eE][-+]?[0-9]+)?/y);
    if (number === null) this.refuse("a value is missing");
    if (number[2] !== undefined || number[3] !== undefined) return Number(number[0]);
    if (number[1].replace("-", "").length > JSON_DIGITS_MAX) this.refuse("a number is too long");
    return BigInt(number[1]);
  }

  array(depth) {
    const items = [];
    this.take("[");
    if (this.take("]")) return items;
    do items.push(this.value(depth));
    while (this.take(","));
    if (!this.take("]")) this.refuse("an array does not end");
    return items;
  }

  object(depth) {
    const fields = new Map();
    let twice = false;
    this.take("{");
    if (this.take("}")) return fields;
    do {
      this.blank();
      const name = this.string();
      if (!this.take(":")) this.refuse("a colon is missing");
      twice ||= fields.has(name);
      fields.set(name, this.value(depth));
    } while (this.take(","));
    if (!this.take("}")) this.refuse("an object does not end");
    if (twice) throw new RecordRefusal("a field of the record stands there twice");
    return fields;
  }

  string() {
    const found = this.next(/"(?:[^"\\\x00-\x1f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"/y);
    if (found === null) this.refuse("a text is missing or wrong");
    return JSON.parse(found[0]); // a single text, whose form was checked: nothing of it can be lost
  }
}
