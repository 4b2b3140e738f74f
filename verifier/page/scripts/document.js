// Members of a dossier that are JSON: in their one form, and saying what they must.

const JSON_DEPTH_MAX = 900;
const JSON_DIGITS_MAX = 4300;

/** Something is missing or of the wrong kind; `saying` tells in which document. */
class Shortcoming extends Error {}

/** Run a step that takes a document apart; what is wrong becomes a RecordRefusal about `name`. */
function saying(name, step) {
  try {
    return step();
  } catch (error) {
    if (error instanceof Shortcoming) {
      throw new RecordRefusal(`${name} does not say what it must: ${error.message}`);
    }
    if (error instanceof Refusal) throw new RecordRefusal(`${name} cannot be read: ${error.message}`);
    throw error;
  }
}

/** Return what `data` says; a RecordRefusal unless it is JSON in its one form. */
function readJson(data, name) {
  const text = fromUtf8(data);
  const said = saying(name, () => {
    if (text === null) throw new Shortcoming("it is not UTF-8");
    return new JsonReader(text).read();
  });
  if (writeJson(said) !== text) {
    throw new RecordRefusal(`${name} is not in its one form: keys sorted, no white space`);
  }
  return said;
}

/** Return what a JsonReader read as JSON in one form; half a character and infinity have none. */
function writeJson(value) {
  if (isList(value)) return `[${value.map(writeJson).join(",")}]`;
  if (isMap(value)) {
    const names = [...value.keys()].sort(byCharacter);
    return `{${names.map((name) => `${writeJson(name)}:${writeJson(value.get(name))}`).join(",")}}`;
  }
  if (isText(value)) return /\p{Cs}/u.test(value) ? "half a character" : JSON.stringify(value);
  return typeof value === "number" ? showFloat(value) : String(value);
}

function field(item, name) {
  if (!isMap(item) || !item.has(name)) throw new Shortcoming(`${quote(name)} is missing`);
  return item.get(name);
}

function listOf(item, name) {
  const value = field(item, name);
  if (!isList(value)) throw new Shortcoming(`${quote(name)} is not an array`);
  return value;
}

function mapOf(item, name) {
  const value = field(item, name);
  if (!isMap(value)) throw new Shortcoming(`${quote(name)} is not an object`);
  return value;
}

const textOf = (item, name) => asText(field(item, name));

function asText(value) {
  if (!isText(value)) throw new RecordRefusal(`${show(value)} stands where a text belongs`);
  return value;
}

function numberOf(item, name) {
  const value = field(item, name);
  if (!isNumber(value) || !Number.isFinite(Number(value))) {
    throw new RecordRefusal(`${show(value)} stands where a number belongs`);
  }
  return value;
}

/** Integers are BigInt and fractions Number, wherever they come from: 1n == 1.0, and 1 < 1.5 < 2n. */
const isNumber = (value) => typeof value === "bigint" || typeof value === "number";

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
    throw new Shortcoming(`${why} (character ${this.at})`);
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
    if (constant !== null) throw new RecordRefusal(`${constant[0]} stands where a number belongs`);
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
    if (twice) throw new RecordRefusal("a field stands there twice");
    return fields;
  }

  string() {
    const found = this.next(/"(?:[^"\\\x00-\x1f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"/y);
    if (found === null) this.refuse("a text is missing or wrong");
    return JSON.parse(found[0]); // a single text, whose form was checked: nothing of it can be lost
  }
}
