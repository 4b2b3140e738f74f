// Texts as the report writes them: the same words, numbers and times as lotproof-verify prints.

/** What is wrong with a dossier; a check turns it into a finding. */
class Refusal extends Error {}

/** No key of that kid was valid. */
class UnknownKey extends Refusal {}

/** The record does not say what a record must say. */
class RecordRefusal extends Error {}

/** The policy cannot be used. */
class PolicyRefusal extends Error {
  constructor(message, hint = "see docs/howto/verify-a-dossier.md, and get the keys from the site's QA") {
    super(message);
    this.hint = hint;
  }
}

const SECOND = 1_000_000_000n;

/** Return nanoseconds as RFC 3339 with nine digits; where no calendar has them, as a number. */
function showTime(time) {
  const seconds = time / SECOND;
  if (time < 0n || seconds > 253_402_300_799n) return `${time} ns`; // past the year 9999
  const moment = new Date(Number(seconds) * 1000).toISOString().slice(0, 19);
  return `${moment}.${String(time % SECOND).padStart(9, "0")}Z`;
}

/** Return the nanoseconds that `showTime` wrote; a Refusal for any other text. */
function parseTime(text) {
  const found = /^([1-9]\d{3}-\d\d-\d\dT\d\d:\d\d:\d\d)\.(\d{9})Z$/.exec(text);
  const milliseconds = found === null ? NaN : Date.parse(`${found[1]}Z`);
  // A day that no month has is moved on by Date: what it makes must be what was written.
  if (!(milliseconds >= 0) || new Date(milliseconds).toISOString().slice(0, 19) !== found[1]) {
    throw new Refusal(`${quote(firstLetters(text, 40))} is not a time`);
  }
  return BigInt(milliseconds / 1000) * SECOND + BigInt(found[2]);
}

function firstLetters(text, count) {
  return Array.from(text.slice(0, 2 * count)).slice(0, count).join("");
}

/** Tell whether every character can be printed: no control, format, unassigned or separator but the space. */
function isPrintable(text) {
  return !UNPRINTABLE.test(text);
}

const UNPRINTABLE = /[\p{C}\p{Zl}\p{Zp}]|(?! )\p{Zs}/u;
const EACH_UNPRINTABLE = new RegExp(UNPRINTABLE, "gu");

/** Return a text in quotation marks, with what cannot be printed escaped. */
function quote(text) {
  const mark = text.includes("'") && !text.includes('"') ? '"' : "'";
  const shown = text
    .replaceAll("\\", "\\\\")
    .replaceAll(mark, `\\${mark}`)
    .replaceAll(EACH_UNPRINTABLE, (letter) => {
      const known = { "\n": "\\n", "\r": "\\r", "\t": "\\t" }[letter];
      const code = letter.codePointAt(0);
      const [sign, digits] = code < 0x100 ? ["x", 2] : code < 0x10000 ? ["u", 4] : ["U", 8];
      return known ?? `\\${sign}${code.toString(16).padStart(digits, "0")}`;
    });
  return mark + shown + mark;
}

/** Return a value as findings show it: texts quoted, floats never like integers. */
function show(value) {
  if (value === null) return "None";
  if (typeof value === "boolean") return value ? "True" : "False";
  if (typeof value === "bigint") return String(value);
  if (typeof value === "number") return showFloat(value);
  if (typeof value === "string") return quote(value);
  if (Array.isArray(value)) return `[${value.map(show).join(", ")}]`;
  return `{${[...value].map(([name, each]) => `${quote(name)}: ${show(each)}`).join(", ")}}`;
}

/** Return the shortest decimal that reads back as the same float, with a point or an exponent. */
function showFloat(number) {
  if (!Number.isFinite(number)) return number > 0 ? "inf" : "-inf";
  const sign = number < 0 || Object.is(number, -0) ? "-" : "";
  const [mantissa, power] = Math.abs(number).toExponential().split("e");
  const digits = mantissa.replace(".", "");
  const exponent = Number(power);
  if (exponent < -4 || exponent >= 16) {
    return `${sign}${mantissa}e${power[0]}${power.slice(1).padStart(2, "0")}`;
  }
  if (exponent < 0) return `${sign}0.${"0".repeat(-exponent - 1)}${digits}`;
  const whole = digits.slice(0, exponent + 1).padEnd(exponent + 1, "0");
  return `${sign}${whole}.${digits.slice(exponent + 1) || "0"}`;
}

/** Compare texts by their characters' numbers, as names in a dossier are sorted. */
function byCharacter(one, two) {
  const [first, second] = [Array.from(one), Array.from(two)];
  for (let at = 0; at < first.length && at < second.length; at += 1) {
    const step = first[at].codePointAt(0) - second[at].codePointAt(0);
    if (step !== 0) return step;
  }
  return first.length - second.length;
}
