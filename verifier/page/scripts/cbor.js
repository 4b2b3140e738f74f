// Deterministic CBOR (RFC 8949 section 4.2.1), the part that Lotproof uses, and nothing else.

const DEPTH_MAX = 8;
const ITEMS_MAX = 1_000_000;
const TYPED_ARRAYS = new Map([
  [64, Uint8Array], [69, Uint16Array], [70, Uint32Array], [71, BigUint64Array],
  [72, Int8Array], [77, Int16Array], [78, Int32Array], [79, BigInt64Array],
  [85, Float32Array], [86, Float64Array],
]);
const COSE_SIGN1 = 18;
const ENDS_EARLY = "the CBOR message ends early";
const TOO_LONG = "a CBOR head is longer than it needs to be";

/** A tag (a Number) and its content. */
class Tagged {
  constructor(tag, content) {
    this.tag = tag;
    this.content = content;
  }
}

/**
 * Return the item that `data` is: null, boolean, BigInt, string, Uint8Array, Array, Map or Tagged.
 *
 * Booleans are refused unless asked for. Every other form is refused (docs/specs/bundle.md, "CBOR").
 */
function decodeCbor(data, { itemsMax = ITEMS_MAX, booleans = false } = {}) {
  const decoder = new CborDecoder(data, itemsMax, booleans);
  const item = decoder.item(DEPTH_MAX);
  if (decoder.at !== data.length) {
    throw new Refusal(`${data.length - decoder.at} bytes follow the CBOR item`);
  }
  return item;
}

/** Return the CBOR of an array of byte strings and texts: all that a verifier ever has to encode. */
function encodeStrings(items) {
  const parts = [Uint8Array.of(0x80 | items.length)];
  for (const item of items) {
    const data = typeof item === "string" ? utf8(item) : item;
    parts.push(cborHead(typeof item === "string" ? 0x60 : 0x40, data.length), data);
  }
  return concat(...parts);
}

function cborHead(major, size) {
  if (size < 24) return Uint8Array.of(major | size);
  if (size < 0x100) return Uint8Array.of(major | 24, size);
  if (size < 0x10000) return Uint8Array.of(major | 25, size >> 8, size & 255);
  return Uint8Array.of(major | 26, size >>> 24, (size >> 16) & 255, (size >> 8) & 255, size & 255);
}

/** A cursor over untrusted bytes; every read is bounded before it is made. */
class CborDecoder {
  constructor(data, itemsMax, booleans) {
    this.data = data;
    this.view = new DataView(data.buffer, data.byteOffset, data.byteLength);
    this.at = 0;
    this.left = itemsMax;
    this.booleans = booleans;
  }

  /** Return the next item; `depth` more levels may be nested in it. */
  item(depth) {
    this.left -= 1;
    if (this.left < 0) throw new Refusal("the CBOR message has too many items");
    if (this.at >= this.data.length) throw new Refusal(ENDS_EARLY);
    const initial = this.data[this.at];
    this.at += 1;
    const major = initial >> 5;
    const info = initial & 31;
    if (major === 7) return this.simple(info);
    const argument = info < 24 ? info : this.longHead(info);
    if (major === 0) return BigInt(argument);
    if (major === 1) return -1n - BigInt(argument);
    if (major === 2) return this.take(argument);
    if (major === 3) return this.text(argument);
    if (depth === 0) throw new Refusal(`the CBOR message is nested deeper than ${DEPTH_MAX}`);
    if (major === 4) return this.array(argument, depth - 1);
    if (major === 5) return this.map(argument, depth - 1);
    return this.tagged(argument, depth - 1);
  }

  simple(info) {
    if (info === 22) return null;
    if (this.booleans && (info === 20 || info === 21)) return info === 21;
    throw new Refusal("a float or a simple value that has no place here");
  }

  /** Return the argument that follows its head in 1, 2, 4 or 8 bytes; of 8 bytes a BigInt. */
  longHead(info) {
    if (info > 27) {
      throw new Refusal("an indefinite length or a reserved head stands in the message");
    }
    const at = this.at;
    this.take(1 << (info - 24));
    const argument = [
      () => this.view.getUint8(at),
      () => this.view.getUint16(at),
      () => this.view.getUint32(at),
      () => this.view.getBigUint64(at),
    ][info - 24]();
    if (argument < [24, 0x100, 0x10000, 0x1_0000_0000][info - 24]) throw new Refusal(TOO_LONG);
    return argument;
  }

  take(count) {
    if (count > this.data.length - this.at) throw new Refusal(ENDS_EARLY);
    const end = this.at + Number(count);
    const taken = this.data.subarray(this.at, end);
    this.at = end;
    return taken;
  }

  text(count) {
    const text = fromUtf8(this.take(count));
    if (text === null) throw new Refusal("a text is not UTF-8");
    return text;
  }

  /** Refuse a count that the bytes left cannot hold, before anything is allocated for it. */
  room(count, each) {
    if (count > (this.data.length - this.at) / each) throw new Refusal(ENDS_EARLY);
  }

  array(count, depth) {
    this.room(count, 1);
    const items = [];
    for (let at = 0; at < count; at += 1) items.push(this.item(depth));
    return items;
  }

  map(count, depth) {
    this.room(count, 2);
    const pairs = new Map();
    let last = null;
    for (let at = 0; at < count; at += 1) {
      const start = this.at;
      const key = this.item(0);
      if (typeof key !== "bigint" && typeof key !== "string") {
        throw new Refusal("a map key is neither an integer nor text");
      }
      const encoded = this.data.subarray(start, this.at);
      if (last !== null && !comesAfter(encoded, last)) {
        throw new Refusal("map keys repeat or are out of order");
      }
      last = encoded;
      pairs.set(key, this.item(depth));
    }
    return pairs;
  }

  tagged(tag, depth) {
    const known = Number(tag);
    if (known !== COSE_SIGN1 && !TYPED_ARRAYS.has(known)) {
      throw new Refusal(`CBOR tag ${tag} is not of this format`);
    }
    const content = this.item(depth);
    if (TYPED_ARRAYS.has(known) && !isBytes(content)) {
      throw new Refusal("a typed array is not a byte string");
    }
    return new Tagged(known, content);
  }
}

function comesAfter(one, two) {
  for (let at = 0; at < one.length && at < two.length; at += 1) {
    if (one[at] !== two[at]) return one[at] > two[at];
  }
  return one.length > two.length;
}

const isBytes = (item) => item instanceof Uint8Array;
const isInt = (item) => typeof item === "bigint";
const isText = (item) => typeof item === "string";
const isMap = (item) => item instanceof Map;

/**
 * Tell whether `item` is an array whose elements are what `forms` say, one predicate each.
 *
 * @example matches(item, isText, isInt)
 */
function matches(item, ...forms) {
  return Array.isArray(item) && item.length === forms.length && forms.every((form, at) => form(item[at]));
}

const isAny = () => true;
const isList = (item) => Array.isArray(item);
const isIntOrNull = (item) => item === null || isInt(item);
const isBytesOf = (length) => (item) => isBytes(item) && item.length === length;
const isTyped = (tag) => (item) => item instanceof Tagged && item.tag === tag;
