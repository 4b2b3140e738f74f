// Inflates (RFC 1950, RFC 1951), bounded and strict; and as far as damage allows, to name what was altered.

const INFLATED_MAX = 16_777_216;

/** Return what a zlib stream holds; a Refusal for anything but one whole stream within the bound. */
function inflateBody(body) {
  const notZlib = "the body is not zlib";
  const early = "the body ends early or something follows it";
  if (body.length >= 2 && ((body[0] * 256 + body[1]) % 31 || (body[0] & 15) !== 8 || body[0] >> 4 > 7)) {
    throw new Refusal(notZlib);
  }
  if (body.length >= 2 && body[1] & 32) throw new Refusal(notZlib); // a dictionary that nobody has
  const inflater = new Inflater(body, 2);
  const state = inflater.run();
  if (state === "damaged") throw new Refusal(notZlib);
  if (state === "over") throw new Refusal(`the body inflates to over ${INFLATED_MAX} bytes`);
  if (state === "early" || body.length < inflater.at + 4) throw new Refusal(early);
  const sum = new DataView(body.buffer, body.byteOffset + inflater.at, 4).getUint32(0);
  const inflated = inflater.taken();
  if (sum !== adler32(inflated)) throw new Refusal(notZlib);
  if (body.length > inflater.at + 4) throw new Refusal(early);
  return inflated;
}

/** Return what came out before the damage, without header and check sum being looked at. */
function inflateDamaged(body) {
  const inflater = new Inflater(body, 2);
  if (inflater.run() === "damaged") inflater.size = inflater.mark;
  return inflater.taken();
}

const LENGTH_ORDER = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];
const EARLY = Symbol("the stream ends early");
const DAMAGED = Symbol("the stream is damaged");
const OVER = Symbol("the stream is over the bound");
const INVALID = 0xffff; // stands for a symbol that no code has

/**
 * Inflates one raw deflate stream.
 *
 * A byte is pulled only when a bit of it is needed, and `mark` is how much had come out when the
 * last one was: what one byte gave before it turned out damaged is not counted.
 */
class Inflater {
  constructor(data, start) {
    this.data = data;
    this.at = start; // of the next byte to pull
    this.hold = 0; // bits pulled and not used, the next one lowest
    this.bits = 0;
    this.out = new Uint8Array(Math.min(INFLATED_MAX, 65_536) + 258);
    this.size = 0;
    this.mark = 0;
  }

  taken() {
    return this.out.slice(0, this.size);
  }

  /** Inflate to the end; return "done", "early", "damaged" or "over". */
  run() {
    try {
      let last = false;
      while (!last) {
        last = this.need(1) === 1;
        const type = this.need(2);
        if (type === 0) this.stored();
        else if (type === 1) this.block(FIXED_LENGTHS, FIXED_DISTANCES);
        else if (type === 2) this.dynamic();
        else throw DAMAGED;
      }
      return "done";
    } catch (thrown) {
      if (thrown === EARLY) return "early";
      if (thrown === DAMAGED) return "damaged";
      if (thrown === OVER) return "over";
      throw thrown;
    }
  }

  pull() {
    if (this.at >= this.data.length) throw EARLY;
    this.hold |= this.data[this.at] << this.bits;
    this.at += 1;
    this.bits += 8;
    this.mark = this.size;
  }

  need(count) {
    while (this.bits < count) this.pull();
    const value = this.hold & ((1 << count) - 1);
    this.hold >>>= count;
    this.bits -= count;
    return value;
  }

  symbol(code) {
    for (;;) {
      const entry = code.table[this.hold & code.mask];
      const length = entry & 15;
      if (length <= this.bits) {
        this.hold >>>= length;
        this.bits -= length;
        return entry >>> 4;
      }
      this.pull();
    }
  }

  room(count) {
    if (this.size + count > INFLATED_MAX) throw OVER;
    if (this.size + count <= this.out.length) return;
    const larger = new Uint8Array(Math.min(2 * this.out.length, INFLATED_MAX + 258));
    larger.set(this.out);
    this.out = larger;
  }

  stored() {
    this.need(this.bits & 7);
    const size = this.need(16);
    if ((this.need(16) ^ 0xffff) !== size) throw DAMAGED;
    for (let at = 0; at < size; at += 1) {
      this.room(1);
      const byte = this.need(8);
      this.out[this.size] = byte;
      this.size += 1;
    }
  }

  dynamic() {
    const lengths = this.need(5) + 257;
    const distances = this.need(5) + 1;
    const orders = this.need(4) + 4;
    if (lengths > 286 || distances > 30) throw DAMAGED;
    const small = new Uint8Array(19);
    for (let at = 0; at < orders; at += 1) small[LENGTH_ORDER[at]] = this.need(3);
    const code = makeCode(small, { whole: true });
    const sizes = new Uint8Array(lengths + distances);
    for (let at = 0; at < sizes.length; ) {
      const symbol = this.symbol(code);
      if (symbol < 16 || symbol === INVALID) {
        sizes[at] = symbol === INVALID ? 0 : symbol;
        at += 1;
        continue;
      }
      if (symbol === 16 && at === 0) {
        this.need(2);
        throw DAMAGED;
      }
      const value = symbol === 16 ? sizes[at - 1] : 0;
      const count = symbol === 16 ? 3 + this.need(2) : symbol === 17 ? 3 + this.need(3) : 11 + this.need(7);
      if (at + count > sizes.length) throw DAMAGED;
      sizes.fill(value, at, at + count);
      at += count;
    }
    if (sizes[256] === 0) throw DAMAGED;
    this.block(makeCode(sizes.subarray(0, lengths)), makeCode(sizes.subarray(lengths)));
  }

  block(lengths, distances) {
    for (;;) {
      const symbol = this.symbol(lengths);
      if (symbol < 256) {
        this.room(1);
        this.out[this.size] = symbol;
        this.size += 1;
        continue;
      }
      if (symbol === 256) return;
      if (symbol > 285) throw DAMAGED;
      const length = LENGTHS[symbol - 257] + this.need(LENGTH_BITS[symbol - 257]);
      const place = this.symbol(distances);
      if (place > 29) throw DAMAGED;
      const distance = DISTANCES[place] + this.need(DISTANCE_BITS[place]);
      if (distance > this.size) throw DAMAGED;
      this.room(length);
      for (let left = length; left > 0; left -= 1) {
        this.out[this.size] = this.out[this.size - distance];
        this.size += 1;
      }
    }
  }
}

/**
 * Return the table of a Huffman code: by the next bits, `symbol * 16 + length`.
 *
 * A code with more or fewer words than its lengths have room for is damaged; a single word of one
 * bit, or none at all, may stand where not the `whole` code is needed.
 */
function makeCode(sizes, { whole = false } = {}) {
  const counts = new Uint16Array(16);
  for (const size of sizes) counts[size] += 1;
  let max = 15;
  while (max > 0 && counts[max] === 0) max -= 1;
  if (max === 0) return { table: Uint32Array.of((INVALID << 4) | 1, (INVALID << 4) | 1), mask: 1 };
  const next = new Uint16Array(16);
  let left = 1;
  for (let size = 1; size <= 15; size += 1) {
    left = 2 * left - counts[size];
    if (left < 0) throw DAMAGED;
    next[size] = size === 1 ? 0 : (next[size - 1] + counts[size - 1]) << 1;
  }
  if (left > 0 && (whole || max !== 1)) throw DAMAGED;
  const table = new Uint32Array(1 << max).fill((INVALID << 4) | 1);
  sizes.forEach((size, symbol) => {
    if (size === 0) return;
    let word = 0; // the code word with its first bit lowest, as it stands in the stream
    for (let bit = 0; bit < size; bit += 1) word |= ((next[size] >> bit) & 1) << (size - 1 - bit);
    next[size] += 1;
    for (let at = word; at < table.length; at += 1 << size) table[at] = (symbol << 4) | size;
  });
  return { table, mask: table.length - 1 };
}

const LENGTH_BITS = Uint8Array.from({ length: 29 }, (_, at) => (at < 8 || at === 28 ? 0 : (at >> 2) - 1));
const DISTANCE_BITS = Uint8Array.from({ length: 30 }, (_, at) => (at < 4 ? 0 : (at >> 1) - 1));
const LENGTHS = sums(LENGTH_BITS, 3);
LENGTHS[28] = 258; // the longest has a symbol of its own
const DISTANCES = sums(DISTANCE_BITS, 1);
const FIXED_LENGTHS = makeCode(
  Uint8Array.from({ length: 288 }, (_, at) => (at < 144 ? 8 : at < 256 ? 9 : at < 280 ? 7 : 8)),
);
const FIXED_DISTANCES = makeCode(new Uint8Array(32).fill(5));

function sums(bits, first) {
  const values = new Uint16Array(bits.length);
  let value = first;
  bits.forEach((count, at) => {
    values[at] = value;
    value += 1 << count;
  });
  return values;
}
