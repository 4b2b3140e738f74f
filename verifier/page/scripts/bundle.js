// A bundle: its header, its body, the root of its columns; RFC 9162 trees (docs/specs/bundle.md, log.md).

const BUNDLE_MAX = 1_048_576;
const HEADER_MAX = 65_536;
const COLUMNS_MAX = 10_000;
const GAPS_MAX = 512;
const TEXT_MAX = 4_096;
const INT63 = 2n ** 63n;
const HEADER_BYTES = { // field -> [key, length]
  epoch: [2n, 16], previous: [4n, 32], boot: [9n, 16], settings_hash: [13n, 32],
  dictionary_hash: [14n, 32], body_hash: [15n, 32], columns_root: [16n, 32],
};
const HEADER_NUMBERS = {
  number: 3n, first_reading: 5n, count: 6n, first_time: 7n, last_time: 8n,
  sealed_time: 10n, sealed_monotonic: 11n,
};
const EPOCH_KEY = 2n;

/** Return the hash that stands for `data` in a tree (RFC 9162 section 2.1.1). */
const leafHash = (...data) => sha256(Uint8Array.of(0), ...data);
const partHash = (left, right) => sha256(Uint8Array.of(1), left, right);

/** Return the root over leaf hashes; of none, SHA-256 of nothing. */
function treeRoot(leaves) {
  if (!leaves.length) return sha256(NOTHING);
  let level = leaves;
  while (level.length > 1) {
    const above = [];
    for (let at = 0; at + 1 < level.length; at += 2) above.push(partHash(level[at], level[at + 1]));
    if (level.length % 2) above.push(level.at(-1));
    level = above;
  }
  return level[0];
}

/** Return if a leaf hash is number `index` of the `size` under `root` (RFC 9162 section 2.1.3.2). */
function verifyInclusion(leaf, index, size, path, root) {
  if (index < 0n || index >= size) throw new Refusal(`there is no leaf ${index} in a tree of ${size}`);
  let [place, last, current] = [index, size - 1n, leaf];
  for (const sibling of path) {
    if (last === 0n) throw new Refusal("the inclusion path is too long");
    if (place & 1n || place === last) {
      current = partHash(sibling, current);
      while (!(place & 1n) && place !== 0n) [place, last] = [place >> 1n, last >> 1n];
    } else {
      current = partHash(current, sibling);
    }
    [place, last] = [place >> 1n, last >> 1n];
  }
  if (last !== 0n) throw new Refusal("the inclusion path is too short");
  if (!sameBytes(current, root)) {
    throw new Refusal(`leaf ${index} is not in the tree of ${size} with this root`);
  }
}

/** Take a bundle apart without believing it. */
function splitBundle(data) {
  if (data.length > BUNDLE_MAX) throw new Refusal(`a bundle of ${data.length} bytes is over ${BUNDLE_MAX}`);
  let item = null; // of whatever else it may be, no more is said than that it is no bundle
  try {
    item = decodeCbor(data, { itemsMax: 3, booleans: true });
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
  }
  if (!matches(item, isBytes, isBytes)) throw new Refusal("a bundle is not [sealed header, body]");
  if (item[0].length > HEADER_MAX) throw new Refusal(`a sealed header is over ${HEADER_MAX} bytes`);
  return { sealedHeader: item[0], body: item[1] };
}

/** Return the header that `data` is; a Refusal if it is none. */
function decodeHeader(data) {
  const fields = decodeCbor(data);
  const keys = isMap(fields) ? Array.from({ length: 18 }, (_, at) => BigInt(at + 1)) : [];
  const size = isMap(fields) ? fields.size - Number(fields.has(19n)) : -1;
  if (size !== 18 || !keys.every((key) => fields.has(key))) {
    throw new Refusal("a bundle's header has not exactly its fields");
  }
  const header = {};
  for (const [name, [key, length]] of Object.entries(HEADER_BYTES)) {
    header[name] = fields.get(key);
    if (!isBytesOf(length)(header[name])) throw new Refusal(`${name} is not ${length} bytes`);
  }
  for (const [name, key] of Object.entries(HEADER_NUMBERS)) {
    header[name] = fields.get(key);
    if (!isInt(header[name]) || header[name] < 0n || header[name] >= INT63) {
      throw new Refusal(`${name} is not a number from 0 to 2^63 - 1`);
    }
  }
  if (!isText(fields.get(1n))) throw new Refusal("the gateway id is not text");
  header.gateway = checkGateway(fields.get(1n));
  header.epoch = toHex(fields.get(EPOCH_KEY));
  header.clock = readClock(fields.get(12n));
  header.gaps = readGaps(fields.get(17n), GAPS_MAX);
  checkCounters(fields.get(18n));
  header.opening = fields.has(19n) ? readOpening(fields.get(19n)) : null;
  return checkFigures(header);
}

/** Return a gateway id; a Refusal if the text is none. */
function checkGateway(text) {
  if (!/^[a-z0-9][a-z0-9-]{0,63}$/.test(text)) {
    const error = new Refusal(`${quote(firstLetters(text, 40))} is not a gateway id`);
    error.hint = "use lower-case letters, digits and hyphens, at most 64";
    throw error;
  }
  return text;
}

/** Return gap declarations as texts that are equal where the gaps are. */
function readGaps(item, countMax) {
  if (!isList(item)) throw new Refusal("the gap declarations are not an array");
  if (item.length > countMax) throw new Refusal(`${item.length} gaps are declared at once, over ${countMax}`);
  return item.map((entry) => {
    const whole = matches(entry, isText, isInt, isInt, isIntOrNull, isInt);
    const [subject, start, end, count, reason] = whole ? entry : ["", 1n, 0n, null, 0n];
    if (start < 0n || end < start || reason < 0n || reason > 9n || (count !== null && count < 0n)) {
      throw new Refusal("a gap is not [subject, start, end, count, reason]");
    }
    checkLength(subject);
    return `${start} ${end} ${count} ${reason} ${subject}`;
  });
}

function checkLength(text) {
  if (utf8(text).length > TEXT_MAX) throw new Refusal(`a text is over ${TEXT_MAX} bytes`);
}

function readClock(item) {
  const [state, uncertainty, floor] = matches(item, isInt, isInt, isInt) ? item : [-1n];
  if (state < 0n || state > 2n || uncertainty < 0n || floor < 0n) {
    throw new Refusal("the clock is not [state, uncertainty, floor]");
  }
  return { state, uncertainty, floor };
}

function checkCounters(item) {
  const [read, sealed, refused] = matches(item, isInt, isInt, isMap) ? item : [-1n];
  if (read < 0n || sealed < 0n) throw new Refusal("the counters are not [read, sealed, refused]");
  for (const [reason, count] of refused) {
    if (!isText(reason) || !isInt(count) || count < 0n) {
      throw new Refusal("a counter of refused readings is not reason: count");
    }
    checkLength(reason);
  }
}

function readOpening(item) {
  const bytesOrNull = (each) => each === null || isBytes(each);
  const whole = matches(item, isInt, bytesOrNull, bytesOrNull, bytesOrNull);
  const [reason, epoch, head, receipt] = whole ? item : [-1n];
  const lengths = (epoch?.length ?? 16) === 16 && (head?.length ?? 32) === 32;
  if (reason < 0n || reason > 3n || !lengths || (receipt?.length ?? 0) > TEXT_MAX) {
    throw new Refusal("the opening is not [reason, epoch, head, receipt]");
  }
  return { epoch: epoch && toHex(epoch), head: head && toHex(head) };
}

/** Refuse a header whose own figures contradict each other. */
function checkFigures(header) {
  if (header.count > READINGS_MAX) throw new Refusal(`a bundle claims ${header.count} readings`);
  if (header.first_time > header.last_time) throw new Refusal("a bundle ends before it starts");
  const first = header.number === 0n;
  if (first !== header.previous.every((byte) => byte === 0) || first !== (header.opening !== null)) {
    throw new Refusal("an epoch's first bundle, and it alone, has no previous and an opening");
  }
  if (first && header.first_reading !== 0n) throw new Refusal("an epoch's readings do not start at 0");
  return header;
}

/** Return the columns of a whole body if root, count and times are the header's; else a Refusal. */
function openBody(header, body) {
  const item = decodeCbor(inflateBody(body), { itemsMax: COLUMNS_MAX + 4, booleans: true });
  if (!matches(item, isBytesOf(16), isList)) throw new Refusal("a body is not [seed, columns]");
  const [seed, parts] = item;
  if ((parts.length > 0) !== (header.count > 0n) || parts.length > header.count) {
    throw new Refusal("a body has columns where the header counts no reading for them");
  }
  if (!parts.every(isBytes)) throw new Refusal("a column is not a byte string");
  const leaves = parts.map((part, at) => {
    const place = Uint8Array.of(0, 0, at >> 8, at & 255); // a body has 10,000 columns at most
    return leafHash(sha256(seed, place).subarray(0, 16), part);
  });
  if (!sameBytes(treeRoot(leaves), header.columns_root)) {
    throw new Refusal("the root of the columns is not the header's");
  }
  const columns = parts.map(decodeColumn);
  if (BigInt(columns.reduce((sum, column) => sum + column.length, 0)) !== header.count) {
    throw new Refusal("the columns hold another number of readings than the header counts");
  }
  const { low, high } = timesOf(columns);
  if (columns.length && (low !== header.first_time || high !== header.last_time)) {
    throw new Refusal("the columns' times are not within those of the header");
  }
  return new Map(columns.entries());
}

/** Return the columns disclosed if each leads to the header's root; else a Refusal. */
function openDisclosed(header, { total, columns }) {
  const shown = new Map();
  for (const each of columns) {
    verifyInclusion(leafHash(each.salt, each.data), each.column, total, each.path, header.columns_root);
    shown.set(Number(each.column), decodeColumn(each.data));
  }
  const { low, high } = timesOf([...shown.values()]);
  if (shown.size && (low < header.first_time || high > header.last_time)) {
    throw new Refusal("a disclosed column has a time outside those of the header");
  }
  return shown;
}

function timesOf(columns) {
  let [low, high] = [null, null];
  for (const { gatewayTimes } of columns) {
    for (const time of gatewayTimes) {
      if (low === null || time < low) low = time;
      if (high === null || time > high) high = time;
    }
  }
  return { low, high };
}

/** Return every column of a held bundle that still decodes, and whether all do; none is believed. */
function salvage(content) {
  const columns = new Map();
  let [parts, claimed] = [[], 0];
  if (isBytes(content)) {
    const data = inflateDamaged(content);
    const head = looseHead(data, 18); // past the array of two and the seed
    claimed = head.size;
    let at = head.start;
    while (parts.length < Math.min(claimed, COLUMNS_MAX)) {
      const { size, start } = looseHead(data, at);
      at = start + size;
      if (at > data.length) break;
      parts.push([parts.length, data.subarray(start, at)]);
    }
  } else {
    parts = content.columns.map((each) => [Number(each.column), each.data]);
    claimed = parts.length;
  }
  for (const [place, part] of parts) {
    try {
      columns.set(place, decodeColumn(part));
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
    }
  }
  return { columns, whole: columns.size === claimed };
}

/** Return the argument of the CBOR head at `at`, whatever it is of, and where its content starts. */
function looseHead(data, at) {
  const info = at < data.length ? data[at] & 31 : 0;
  const width = info >= 24 && info <= 27 ? 1 << (info - 24) : 0;
  const start = at + 1 + width;
  return { size: width ? Number(bigEndian(data.subarray(at + 1, start))) : info, start };
}
