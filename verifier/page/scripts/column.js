// A column: the readings of one signal, as typed arrays (docs/specs/bundle.md, "Column").

const READINGS_MAX = 100_000;
const SIGNAL_BYTES_MAX = 256;
const VALUE_MAX = 65_535;
const INTEGER_TAGS = [64, 69, 70, 71, 72, 77, 78, 79];
const SCALES = [1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9];
const STEPS = [1_000_000_000n, 1_000_000n, 1_000n, 100n, 1n];
const [BOOL, INT, UINT, FLOAT32, FLOAT64, TEXT, BYTES, TAG_READ] = [0, 1, 2, 3, 4, 5, 6, 7];
const KIND_NAMES = ["BOOL", "INT", "UINT", "FLOAT32", "FLOAT64", "TEXT", "BYTES", "TAG_READ"];
const STATUS_NAMES = ["GOOD", "UNCERTAIN", "BAD"];
const [GOOD, UNCERTAIN, BAD] = [0, 1, 2];
const IMPOSSIBLE_TIME = -4n; // code of a source time that the gateway did not believe
const NOTHING = new Uint8Array(0);

const fits64 = (number) => BigInt.asIntN(64, number) === number;

/** One RFID observation. */
class TagRead {
  constructor(reads, at) {
    this.epc = reads.epcs[at];
    const numbers = [reads.bits, reads.antennas, reads.rssis, reads.firsts, reads.lasts, reads.counts];
    this.numbers = numbers.map((each) => BigInt(each[at]));
  }
}

/** The readings of one signal in one bundle, in the order in which they came. */
class Column {
  constructor(fields) {
    Object.assign(this, fields);
  }

  get length() {
    return this.gatewayTimes.length;
  }

  /** Return the readings that `wanted(time)` asks for, each with its position and its placed time. */
  readings(wanted = () => true, placement = null) {
    const chosen = [];
    const runs = this.runs.length ? this.runs : [{ length: this.length, status: GOOD, code: 0n }];
    let [position, present] = [0, 0];
    for (const { length, status, code } of runs) {
      for (const end = position + length; position < end; position += 1) {
        const absent = this.absent.has(position);
        const source = this.sourceTimes === null ? null : this.sourceTimes[position];
        const gateway = this.gatewayTimes[position];
        const time = readingTime({ source, gateway, code }, placement);
        if (wanted(time)) {
          chosen.push({
            signal: this.signal,
            kind: this.kind,
            value: absent ? null : this.value(present),
            gateway,
            source,
            time, // decides to which lot the reading belongs
            status,
            code,
            raw: this.raws.get(position) ?? NOTHING,
            position,
          });
        }
        if (!absent) present += 1;
      }
    }
    return chosen;
  }

  value(at) {
    if (this.kind === BOOL) return Number(this.values[at]) === 1;
    if (this.kind === INT || this.kind === UINT) return BigInt(this.values[at]);
    return this.kind === TAG_READ ? new TagRead(this.values, at) : this.values[at];
  }
}

/** Tell whether two values are one: 1, 1.0 and true are, as numbers go. */
function sameValue(one, two) {
  if (one instanceof Uint8Array) return two instanceof Uint8Array && sameBytes(one, two);
  if (one instanceof TagRead) {
    if (!(two instanceof TagRead) || !sameBytes(one.epc, two.epc)) return false;
    return one.numbers.every((each, at) => each === two.numbers[at]);
  }
  const [left, right] = [one, two].map((each) => (typeof each === "boolean" ? BigInt(each) : each));
  if (left === null || right === null || typeof left === "string" || typeof right === "string") {
    return left === right;
  }
  return typeof right !== "object" && left == right; // eslint-disable-line eqeqeq -- 1n is 1.0
}

function sameReading(one, two) {
  return (
    one.gateway === two.gateway &&
    one.source === two.source &&
    one.status === two.status &&
    one.code === two.code &&
    one.kind === two.kind &&
    one.signal === two.signal &&
    sameValue(one.value, two.value) &&
    sameBytes(one.raw, two.raw)
  );
}

/** Return the column that `data` is; a Refusal if it is none. */
function decodeColumn(data) {
  const item = decodeCbor(data);
  if (!matches(item, isText, isInt, isInt, isList, isAny, isAny, isAny, isAny, isAny)) {
    throw new Refusal("a column is not the array of nine that it must be");
  }
  const [signal, kindNumber, claimed, gateway, source, values, absent, statuses, raws] = item;
  const named = isPrintable(signal) && signal !== "" && utf8(signal).length <= SIGNAL_BYTES_MAX;
  if (!named || kindNumber < 0n || kindNumber > 7n) {
    throw new Refusal("a column has no signal name or an unknown kind");
  }
  if (claimed <= 0n || claimed > READINGS_MAX) throw new Refusal(`a column claims ${claimed} readings`);
  const [kind, count] = [Number(kindNumber), Number(claimed)];
  const missing = readPositions(absent, count);
  return new Column({
    signal,
    kind,
    gatewayTimes: readTimes(gateway, count),
    sourceTimes: source === null ? null : readTimes(source, count),
    values: readValues(kind, values, count - missing.size),
    absent: missing,
    runs: readRuns(statuses, count),
    raws: readRaws(raws, count),
  });
}

/** Return a typed array of one of `tags`. Typed arrays of every browser are little-endian, as these are. */
function readNumbers(item, tags) {
  if (!(item instanceof Tagged) || !tags.includes(item.tag)) {
    throw new Refusal("a typed array of the right type is missing in a column");
  }
  const Numbers = TYPED_ARRAYS.get(item.tag);
  if (item.content.length % Numbers.BYTES_PER_ELEMENT) {
    throw new Refusal("a typed array's bytes are not whole numbers");
  }
  return new Numbers(item.content.slice().buffer);
}

function readIntegers(item, count) {
  const numbers = readNumbers(item, INTEGER_TAGS);
  if (numbers.length !== count) {
    throw new Refusal(`a typed array has ${numbers.length} numbers where ${count} belong`);
  }
  return numbers;
}

/** Return the times that `[first, step, deltas]` gives, as a BigInt64Array. */
function readTimes(item, count) {
  if (!matches(item, isInt, isInt, isAny) || !STEPS.includes(item[1])) {
    throw new Refusal("a column's times are not [first, step, deltas]");
  }
  const [first, step] = item;
  const deltas = readIntegers(item[2], count - 1);
  const times = new BigInt64Array(count);
  let time = first;
  for (let at = 0; at < count; at += 1) {
    if (at > 0) time += BigInt(deltas[at - 1]) * step;
    if (!fits64(time)) throw new Refusal("a time is outside 64 bits");
    times[at] = time;
  }
  return times;
}

function readValues(kind, item, count) {
  if (kind === FLOAT32 || kind === FLOAT64) return readFloats(kind, item, count);
  if (kind === INT || kind === UINT) return readWholeNumbers(kind, item, count);
  if (kind === TEXT) return readList("str", isText, item, count);
  if (kind === BYTES) return readList("bytes", isBytes, item, count);
  if (kind === TAG_READ) return readTagReads(item, count);
  const bits = readIntegers(item, count);
  if (bits.some((bit) => bit < 0 || bit > 1)) throw new Refusal("a value does not fit its kind BOOL");
  return bits;
}

/** Return the floats of a typed array, or of `[decimals, deltas, first]`. */
function readFloats(kind, item, count) {
  const [tag, bound] = kind === FLOAT32 ? [85, 2n ** 24n] : [86, 2n ** 53n];
  if (matches(item, isInt, isAny, isInt) && SCALES[item[0]] !== undefined) {
    const scale = SCALES[item[0]];
    const numbers = summed(readIntegers(item[1], count - 1), item[2]);
    if (numbers.some((number) => number >= bound || number <= -bound)) {
      throw new Refusal("a decimal has more digits than a float of its kind holds");
    }
    // The quotient is the double nearest to the decimal; an array of floats takes the float nearest to it.
    return TYPED_ARRAYS.get(tag).from(numbers, (number) => Number(number) / scale);
  }
  const floats = readNumbers(item, [tag]);
  if (floats.length !== count) throw new Refusal("a column has not as many values as it says");
  if (!floats.every(Number.isFinite)) throw new Refusal("a value array holds NaN or infinity");
  return floats;
}

/** Return the integers of a typed array, or of `[deltas, first]`. */
function readWholeNumbers(kind, item, count) {
  const numbers = matches(item, isAny, isInt)
    ? summed(readIntegers(item[0], count - 1), item[1])
    : readIntegers(item, count);
  const [lowest, beyond] = kind === INT ? [-(2n ** 63n), 2n ** 63n] : [0n, 2n ** 64n];
  if (numbers.some((number) => number < lowest || number >= beyond)) {
    throw new Refusal(`a value does not fit its kind ${KIND_NAMES[kind]}`);
  }
  return numbers;
}

/** Return `first` and, one after another, what each of `deltas` makes of it. */
function summed(deltas, first) {
  const numbers = [first];
  for (const delta of deltas) numbers.push(numbers.at(-1) + BigInt(delta));
  return numbers;
}

function readList(name, form, item, count) {
  const size = (value) => (isText(value) ? Array.from(value).length : value.length);
  const right = (value) => form(value) && (value.length <= VALUE_MAX || size(value) <= VALUE_MAX);
  if (!isList(item) || item.length !== count || !item.every(right)) {
    throw new Refusal(`a column has not its ${count} values of ${name}`);
  }
  return item;
}

function readTagReads(item, count) {
  if (!isList(item) || item.length !== 7) {
    throw new Refusal("the values of a tag-read column are not an array of seven");
  }
  const [bits, antennas, rssis, counts] = [1, 2, 3, 6].map((at) => readIntegers(item[at], count));
  if ([bits, antennas, rssis, counts].some((each) => each.some((number) => number >= 2n ** 63n))) {
    throw new Refusal("a figure of a tag read is outside 64 bits");
  }
  const epcs = readList("bytes", isBytes, item[0], count);
  const [firsts, lasts] = [4, 5].map((at) => (count ? readTimes(item[at], count) : []));
  return { epcs, bits, antennas, rssis, firsts, lasts, counts };
}

/** Return the set of the rising positions that have no value. */
function readPositions(item, count) {
  if (item === null) return new Set();
  const positions = readNumbers(item, INTEGER_TAGS);
  if (!positions.length || positions.some((each, at) => at > 0 && each <= positions[at - 1])) {
    throw new Refusal("positions without a value repeat or are out of order");
  }
  if (positions[0] < 0 || positions.at(-1) >= count) {
    throw new Refusal("a position without a value is outside the column");
  }
  return new Set(Array.from(positions, Number));
}

function readRuns(item, count) {
  if (item === null) return [];
  const isStatus = (status) => status === 0n || status === 1n || status === 2n;
  const runs = (isList(item) ? item : [null]).map((entry) => {
    const [length, status, code] = matches(entry, isInt, isStatus, isInt) ? entry : [0n];
    if (length <= 0n || !fits64(code)) throw new Refusal("a status run is not [length, status, code]");
    return { length: Number(length), status: Number(status), code };
  });
  if (runs.reduce((sum, run) => sum + run.length, 0) !== count) {
    throw new Refusal("the status runs do not cover the column");
  }
  return runs;
}

/** Return what the source sent, by position. */
function readRaws(item, count) {
  if (item === null) return new Map();
  const raws = new Map();
  for (const [position, raw] of isMap(item) && item.size ? item : [[null, null]]) {
    if (!isInt(position) || position < 0n || position >= count) {
      throw new Refusal("a raw value stands at no position of the column");
    }
    if (!isBytes(raw) || raw.length === 0 || raw.length > VALUE_MAX) {
      throw new Refusal("a raw value is empty, too long or not a byte string");
    }
    raws.set(Number(position), raw);
  }
  return raws;
}
