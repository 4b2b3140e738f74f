// Bytes and their sums: hexadecimal, Base 64, UTF-8, SHA-256, SHA-512, CRC-32, Adler-32.

/** Tell whether two byte strings are equal. */
function sameBytes(one, two) {
  if (one.length !== two.length) return false;
  for (let at = 0; at < one.length; at += 1) if (one[at] !== two[at]) return false;
  return true;
}

function concat(...parts) {
  const whole = new Uint8Array(parts.reduce((size, part) => size + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

function toHex(data) {
  let text = "";
  for (const byte of data) text += byte.toString(16).padStart(2, "0");
  return text;
}

/** Return the bytes of hexadecimal digits, white space between bytes allowed; null for anything else. */
function fromHex(text) {
  if (!/^(\s*[0-9a-fA-F]{2})*\s*$/.test(text)) return null;
  return Uint8Array.from(text.match(/[0-9a-fA-F]{2}/g) ?? [], (digits) => parseInt(digits, 16));
}

function utf8(text) {
  return new TextEncoder().encode(text);
}

/** Return the text that strict UTF-8 encodes; null where it is none. */
function fromUtf8(data) {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(data);
  } catch {
    return null;
  }
}

/** Decode standard Base 64 in its one form (RFC 4648 section 3.5). */
function fromBase64(text) {
  if (!/^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(text)) {
    throw new Refusal("a text is not Base 64");
  }
  const raw = atob(text);
  if (btoa(raw) !== text) throw new Refusal("a Base 64 text has stray bits at its end");
  return Uint8Array.from(raw, (letter) => letter.charCodeAt(0));
}

/** Return the unsigned integer that bytes are, the first the highest. */
function bigEndian(data) {
  return data.length ? BigInt(`0x${toHex(data)}`) : 0n;
}

/** Return SHA-256 (FIPS 180-4) of the parts, one after another. */
function sha256(...parts) {
  const data = parts.length === 1 ? parts[0] : concat(...parts);
  const state = SHA256_START.slice();
  const whole = data.length - (data.length % 64);
  sha256Blocks(state, data, whole);
  const rest = data.subarray(whole);
  const end = new Uint8Array(rest.length < 56 ? 64 : 128);
  end.set(rest);
  end[rest.length] = 0x80;
  new DataView(end.buffer).setBigUint64(end.length - 8, BigInt(data.length) * 8n);
  sha256Blocks(state, end, end.length);
  const digest = new Uint8Array(32);
  const view = new DataView(digest.buffer);
  state.forEach((word, at) => view.setInt32(4 * at, word));
  return digest;
}

/** Return SHA-512 (FIPS 180-4) of the parts, one after another; slow, for short messages. */
function sha512(...parts) {
  const data = concat(...parts);
  const blocks = Math.ceil((data.length + 17) / 128);
  const padded = new Uint8Array(128 * blocks);
  padded.set(data);
  padded[data.length] = 0x80;
  const view = new DataView(padded.buffer);
  view.setBigUint64(padded.length - 8, BigInt(data.length) * 8n);
  const state = SHA512_START.slice();
  const turn = (word, by) => BigInt.asUintN(64, (word >> by) | (word << (64n - by)));
  const w = new BigUint64Array(80);
  for (let block = 0; block < padded.length; block += 128) {
    for (let at = 0; at < 16; at += 1) w[at] = view.getBigUint64(block + 8 * at);
    for (let at = 16; at < 80; at += 1) {
      const [early, late] = [w[at - 15], w[at - 2]];
      const small = turn(early, 1n) ^ turn(early, 8n) ^ (early >> 7n);
      w[at] = w[at - 16] + small + w[at - 7] + (turn(late, 19n) ^ turn(late, 61n) ^ (late >> 6n));
    }
    let [a, b, c, d, e, f, g, h] = state;
    for (let at = 0; at < 80; at += 1) {
      const choice = (e & f) ^ (~e & g);
      const one = h + (turn(e, 14n) ^ turn(e, 18n) ^ turn(e, 41n)) + choice + SHA512_K[at] + w[at];
      const most = (a & b) ^ (a & c) ^ (b & c);
      const two = (turn(a, 28n) ^ turn(a, 34n) ^ turn(a, 39n)) + most;
      [h, g, f, e] = [g, f, e, BigInt.asUintN(64, d + one)];
      [d, c, b, a] = [c, b, a, BigInt.asUintN(64, one + two)];
    }
    [a, b, c, d, e, f, g, h].forEach((word, at) => {
      state[at] += word;
    });
  }
  const digest = new DataView(new ArrayBuffer(64));
  state.forEach((word, at) => digest.setBigUint64(8 * at, word));
  return new Uint8Array(digest.buffer);
}

/** Return CRC-32 as ZIP has it (APPNOTE section 4.4.7). */
function crc32(data) {
  let sum = -1;
  for (let at = 0; at < data.length; at += 1) sum = CRC_TABLE[(sum ^ data[at]) & 255] ^ (sum >>> 8);
  return ~sum >>> 0;
}

/** Return Adler-32 (RFC 1950 section 8.2). */
function adler32(data) {
  let [low, high] = [1, 0];
  for (let start = 0; start < data.length; start += 5000) {
    const end = Math.min(start + 5000, data.length); // so many sums stay below 2^32
    for (let at = start; at < end; at += 1) {
      low += data[at];
      high += low;
    }
    low %= 65521;
    high %= 65521;
  }
  return high * 65536 + low;
}

// The constants of SHA-2 are the first bits of square and cube roots of the first primes
// (FIPS 180-4 sections 4.2 and 5.3): reckoned here, so that none can be mistyped.
const PRIMES = [2n];
for (let number = 3n; PRIMES.length < 80; number += 2n) {
  if (PRIMES.every((prime) => number % prime !== 0n)) PRIMES.push(number);
}
const SHA512_START = BigUint64Array.from(PRIMES.slice(0, 8), (prime) => fraction(prime, 2n));
const SHA512_K = BigUint64Array.from(PRIMES, (prime) => fraction(prime, 3n));
const SHA256_START = Int32Array.from(SHA512_START, (word) => Number(BigInt.asIntN(32, word >> 32n)));
const SHA256_K = Int32Array.from(SHA512_K.subarray(0, 64), (word) => Number(BigInt.asIntN(32, word >> 32n)));

/** Return the first 64 bits of the fraction of a root of `number`. */
function fraction(number, degree) {
  const wanted = number << (64n * degree);
  let low = 0n;
  for (let bit = 1n << 70n; bit > 0n; bit >>= 1n) {
    if ((low + bit) ** degree <= wanted) low += bit;
  }
  return BigInt.asUintN(64, low);
}

const SHA256_WORDS = new Int32Array(64);

function sha256Blocks(state, data, end) {
  const [w, k] = [SHA256_WORDS, SHA256_K];
  for (let block = 0; block < end; block += 64) {
    for (let at = 0; at < 16; at += 1) {
      const from = block + 4 * at;
      w[at] = (data[from] << 24) | (data[from + 1] << 16) | (data[from + 2] << 8) | data[from + 3];
    }
    for (let at = 16; at < 64; at += 1) {
      const [early, late] = [w[at - 15], w[at - 2]];
      const one = ((early >>> 7) | (early << 25)) ^ ((early >>> 18) | (early << 14)) ^ (early >>> 3);
      const two = ((late >>> 17) | (late << 15)) ^ ((late >>> 19) | (late << 13)) ^ (late >>> 10);
      w[at] = (w[at - 16] + one + w[at - 7] + two) | 0;
    }
    let [a, b, c, d, e, f, g, h] = state;
    for (let at = 0; at < 64; at += 1) {
      const wide = ((e >>> 6) | (e << 26)) ^ ((e >>> 11) | (e << 21)) ^ ((e >>> 25) | (e << 7));
      const one = (h + wide + ((e & f) ^ (~e & g)) + k[at] + w[at]) | 0;
      const turned = ((a >>> 2) | (a << 30)) ^ ((a >>> 13) | (a << 19)) ^ ((a >>> 22) | (a << 10));
      const two = (turned + ((a & b) ^ (a & c) ^ (b & c))) | 0;
      h = g;
      g = f;
      f = e;
      e = (d + one) | 0;
      d = c;
      c = b;
      b = a;
      a = (one + two) | 0;
    }
    state[0] += a;
    state[1] += b;
    state[2] += c;
    state[3] += d;
    state[4] += e;
    state[5] += f;
    state[6] += g;
    state[7] += h;
  }
}

const CRC_TABLE = Int32Array.from({ length: 256 }, (_, byte) => {
  let sum = byte;
  for (let bit = 0; bit < 8; bit += 1) sum = sum & 1 ? (sum >>> 1) ^ 0xedb88320 : sum >>> 1;
  return sum;
});
