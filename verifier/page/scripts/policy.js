// Whom to believe: the policy file, and the log's checkpoint under its keys (C2SP signed-note).

const NOTE_MAX = 65_536;
const POLICY_MAX = 1_048_576;
const [PLAIN, COSIGNATURE] = [1, 4];

/**
 * Return the policy that a TOML file states; a PolicyRefusal names what cannot be used.
 *
 * Of TOML it reads what a policy is made of: keys, texts, lists of texts, integers and tables.
 */
function readPolicy(text) {
  const fields = new TomlReader(text).read();
  const known = ["aggregator", "gateways", "log", "witnesses", "witnesses_required"];
  const unknown = [...fields.keys()].filter((name) => !known.includes(name)).sort(byCharacter);
  if (unknown.length) throw new PolicyRefusal(`the policy has an unknown field ${quote(unknown[0])}`);
  if (!isText(fields.get("log"))) throw new PolicyRefusal("the policy names no log");
  const gateways = fields.get("gateways") ?? new Map();
  if (!isMap(gateways)) throw new PolicyRefusal("gateways is not a table of gateway ids");
  const texts = (table, name) => {
    const value = table.get(name) ?? [];
    if (!isList(value) || !value.every(isText)) throw new PolicyRefusal(`${name} is not a list of texts`);
    return value;
  };
  let policy;
  try {
    policy = {
      aggregator: texts(fields, "aggregator").map(keyFromText),
      log: noteKeyFromText(fields.get("log")),
      witnesses: texts(fields, "witnesses").map(noteKeyFromText),
      required: fields.get("witnesses_required") ?? 0n,
      gateways: new Map(
        [...gateways.keys()].map((name) => [checkGateway(name), texts(gateways, name).map(keyFromText)]),
      ),
    };
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    throw new PolicyRefusal(`the policy cannot be used: ${error.message}`, error.hint);
  }
  if (!policy.aggregator.length) throw new PolicyRefusal("the policy names no key of the aggregator");
  if (!isInt(policy.required) || policy.required < 0n || policy.required > policy.witnesses.length) {
    throw new PolicyRefusal("witnesses_required is no number of the witnesses named");
  }
  return policy;
}

/** Reads the small part of TOML 1.0 that policies need, and refuses the rest. */
class TomlReader {
  constructor(text) {
    if (text.length > POLICY_MAX) this.refuse("it is too long");
    this.text = text;
    this.at = 0;
  }

  read() {
    const root = new Map();
    let table = root;
    for (this.blank(); this.at < this.text.length; this.blank()) {
      if (this.next(/\[[ \t]*/y)) {
        const name = this.key();
        this.need(/[ \t]*\]/y);
        if (root.has(name)) this.refuse(`${name} stands there twice`);
        table = new Map();
        root.set(name, table);
      } else {
        const name = this.key();
        this.need(/[ \t]*=[ \t]*/y);
        if (table.has(name)) this.refuse(`${name} stands there twice`);
        table.set(name, this.value(true));
      }
      this.need(/[ \t]*(#[^\n]*)?(\r?\n|$)/y);
    }
    return root;
  }

  refuse(why) {
    const line = this.text?.slice(0, this.at).split("\n").length ?? 1;
    throw new PolicyRefusal(`the policy is not TOML: ${why} (line ${line})`);
  }

  next(pattern) {
    pattern.lastIndex = this.at;
    const found = pattern.exec(this.text);
    if (found !== null) this.at = pattern.lastIndex;
    return found;
  }

  need(pattern) {
    return this.next(pattern) ?? this.refuse("something stands where it has no place");
  }

  blank() {
    this.next(/([ \t\n]|\r\n|#[^\n]*(\n|$))*/y);
  }

  key() {
    return this.next(/[A-Za-z0-9_-]+/y)?.[0] ?? this.string() ?? this.refuse("a key is missing");
  }

  string() {
    const literal = this.next(/'([^'\n\r\x00-\x08\x0a-\x1f\x7f]*)'(?!')/y);
    if (literal !== null) return literal[1];
    const basic = this.next(/"((?:[^"\\\x00-\x08\x0a-\x1f\x7f]|\\.)*)"(?!")/y);
    if (basic === null) return null;
    if (/\\(?!["\\tnr])/.test(basic[1].replaceAll("\\\\", ""))) this.refuse("an escape is not known here");
    const letters = { t: "\t", n: "\n", r: "\r" };
    return basic[1].replaceAll(/\\(.)/g, (_, letter) => letters[letter] ?? letter);
  }

  value(listAllowed) {
    const text = this.string();
    if (text !== null) return text;
    const number = this.next(/0(?![0-9_xob.])|[1-9][0-9]{0,17}(?![0-9_.eE:-])/y);
    if (number !== null) return BigInt(number[0]);
    if (!listAllowed) this.refuse("a list holds something else than texts");
    this.need(/\[/y);
    const items = [];
    for (this.blank(); !this.next(/\]/y); this.blank()) {
      items.push(this.value(false));
      this.blank();
      if (!this.next(/,/y)) {
        this.need(/\]/y);
        break;
      }
    }
    return items;
  }
}

/** Read `name+id+base64`, as policy files name a key that signs notes. */
function noteKeyFromText(text) {
  const [name, id = "", ...rest] = text.trim().split("+");
  const material = fromBase64(rest.join("+"));
  if (material.length !== 33 || (material[0] !== PLAIN && material[0] !== COSIGNATURE)) {
    throw new Refusal("the verifier key is not one of Ed25519 (1) or cosignature/v1 (4)");
  }
  if (name === "" || /\s/.test(name)) {
    throw new Refusal("a note key's name is empty, or holds a space or a plus");
  }
  const found = toHex(sha256(utf8(`${name}\n`), material).subarray(0, 4));
  if (found !== id) throw new Refusal("the verifier key's id does not fit its name and key");
  return { name, id, type: material[0], key: makeKey("ED25519", material.subarray(1)), text: text.trim() };
}

/**
 * Return the checkpoint if the policy's log signed it, and how many of its witnesses did as well.
 *
 * Lines of unknown keys are ignored; a line of a known key that does not verify refuses the note.
 */
async function openCheckpoint(note, { log, witnesses }) {
  const { text, lines } = takeNoteApart(note);
  const known = new Map([log, ...witnesses].map((key) => [`${key.name}+${key.id}`, key]));
  const signers = new Set();
  for (const { name, material } of lines) {
    const key = known.get(`${name}+${toHex(material.subarray(0, 4))}`);
    if (key === undefined) continue;
    await verifyLine(key, text, material.subarray(4));
    signers.add(key.text);
  }
  if (!signers.size) throw new Refusal("no key of the policy signed the note");
  const checkpoint = readCheckpoint(text);
  if (!signers.has(log.text) || checkpoint.origin !== log.name) {
    throw new Refusal(`the checkpoint is not signed by the log ${log.name}`);
  }
  const seen = new Set(witnesses.map((key) => key.text).filter((each) => signers.has(each)));
  return { ...checkpoint, witnesses: seen.size };
}

async function verifyLine(key, text, signature) {
  try {
    if (key.type === PLAIN) {
      await verifySignature(key.key, signature, utf8(text));
    } else {
      const time = bigEndian(signature.subarray(0, 8));
      await verifySignature(key.key, signature.subarray(8), utf8(`cosignature/v1\ntime ${time}\n${text}`));
    }
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    throw new Refusal(`the signature line of ${key.name} does not verify`);
  }
}

function takeNoteApart(note) {
  if (note.length > NOTE_MAX) throw new Refusal(`a note is longer than ${NOTE_MAX} bytes`);
  const whole = fromUtf8(note);
  if (whole === null) throw new Refusal("a note is not UTF-8");
  if (/[\x00-\x09\x0b-\x1f]/.test(whole)) throw new Refusal("a note holds a control character");
  const blank = whole.lastIndexOf("\n\n");
  if (blank < 0 || !whole.slice(blank + 2).endsWith("\n")) {
    throw new Refusal("a note is not a text, a blank line and signature lines");
  }
  const lines = whole.slice(blank + 2, -1).split("\n").map((line) => {
    const found = /^— ((?:[^\s\x85+]|\ufeff)+) ([A-Za-z0-9+/]+=*)$/u.exec(line);
    if (found === null) {
      throw new Refusal("a signature line of a note is not: em dash, name, base64");
    }
    return { name: found[1], material: fromBase64(found[2]) };
  });
  return { text: whole.slice(0, blank + 1), lines };
}

function readCheckpoint(text) {
  const lines = text.split("\n");
  if (lines.length < 4 || lines.pop() !== "" || lines.includes("")) {
    throw new Refusal("a checkpoint is not at least three lines, none of them empty");
  }
  const [origin, size, rootText] = lines;
  if (!/^(0|[1-9][0-9]{0,18})$/.test(size)) {
    throw new Refusal("the checkpoint's size is not a plain decimal number");
  }
  const root = fromBase64(rootText);
  if (root.length !== 32) throw new Refusal("the checkpoint's root is not 32 bytes");
  return { origin, size: BigInt(size), root };
}
