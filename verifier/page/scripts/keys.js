// Keys and what they sign: Ed25519 (RFC 8032), ESP256 (RFC 9864), COSE_Sign1 (RFC 9052).

const ALGORITHMS = { ED25519: -19n, ESP256: -9n };
const MANIFEST_PURPOSE = { type: "application/lotproof-dossier+cbor", aad: utf8("lotproof-dossier-v1") };
const BUNDLE_PURPOSE = { type: "application/lotproof-bundle+cbor", aad: utf8("lotproof-bundle-v1") };

/** Return the key of an algorithm's name; a Refusal where these are not its bytes. */
function makeKey(name, data) {
  const right = name === "ED25519" ? data.length === 32 : isPointOfP256(data);
  if (!right) throw new Refusal(`these are not the bytes of a ${name} key`);
  return { name, algorithm: ALGORITHMS[name], data, kid: toHex(sha256(data).subarray(0, 8)) };
}

/** Read `ED25519:<hex>` or `ESP256:<hex>`, as policy files write it. */
function keyFromText(text) {
  const [name, ...digits] = text.trim().split(":");
  const data = fromHex(digits.join(":"));
  if (!Object.hasOwn(ALGORITHMS, name) || data === null) {
    const error = new Refusal(`${quote(firstLetters(text, 24))} is not a public key`);
    error.hint = "write ED25519: or ESP256: and the key in hexadecimal";
    throw error;
  }
  return makeKey(name, data);
}

/** Return if `signature` is this key's over `message`, else throw a Refusal. */
async function verifySignature(key, signature, message) {
  if (signature.length !== 64) throw new Refusal("the signature is not 64 bytes long");
  if (!(await isSignedBy(key, signature, message))) {
    throw new Refusal("the signature does not match the bytes");
  }
}

/** Ask the browser, which is fast; reckon ourselves where it does not know the algorithm. */
async function isSignedBy(key, signature, message) {
  const ed25519 = key.name === "ED25519";
  key.platform ??= platformKey(key, ed25519 ? { name: "Ed25519" } : { name: "ECDSA", namedCurve: "P-256" });
  const platform = await key.platform;
  if (platform !== null) {
    const algorithm = ed25519 ? { name: "Ed25519" } : { name: "ECDSA", hash: "SHA-256" };
    return crypto.subtle.verify(algorithm, platform, signature, message);
  }
  return ed25519 ? verifyEd25519(key.data, signature, message) : verifyP256(key.data, signature, message);
}

async function platformKey(key, algorithm) {
  try {
    return await crypto.subtle.importKey("raw", key.data, algorithm, false, ["verify"]);
  } catch {
    return null; // no SubtleCrypto here, or not this algorithm
  }
}

/** Take a COSE_Sign1 apart without believing it, to find out whose it claims to be. */
function peekSeal(data) {
  const sign1 = decodeCbor(data, { itemsMax: 16, booleans: true });
  const form = [isBytes, (item) => isMap(item) && item.size === 0, isBytes, isBytes];
  if (!isTyped(COSE_SIGN1)(sign1) || !matches(sign1.content, ...form)) {
    throw new Refusal("this is not a COSE_Sign1 with an empty unprotected header");
  }
  const [prot, , payload, signature] = sign1.content;
  const header = decodeCbor(prot, { itemsMax: 16, booleans: true });
  const [number, type, kid] = isMap(header) ? [1n, 3n, 4n].map((key) => header.get(key)) : [];
  const isNumber = isInt(number) || typeof number === "boolean";
  if (!isNumber || !isText(type) || !isBytes(kid) || header.size !== 3) {
    throw new Refusal("the protected header is not {alg, content type, kid}");
  }
  if (!Object.values(ALGORITHMS).includes(number)) {
    throw new Refusal(`algorithm ${isInt(number) ? number : show(number)} is neither Ed25519 (-19) nor ESP256 (-9)`);
  }
  return { prot, algorithm: number, type, kid: toHex(kid), payload, signature };
}

/** Return if `key` sealed what `peekSeal` took apart, for this purpose; else throw a Refusal. */
async function openSealed(sealed, key, purpose) {
  if (sealed.type !== purpose.type) {
    throw new Refusal(`sealed as ${quote(sealed.type)}, wanted ${quote(purpose.type)}`);
  }
  if (sealed.algorithm !== key.algorithm || sealed.kid !== key.kid) {
    throw new Refusal("sealed by another key than the one it is opened with");
  }
  // The Sig_structure of RFC 9052 section 4.4.
  const message = encodeStrings(["Signature1", sealed.prot, purpose.aad, sealed.payload]);
  await verifySignature(key, sealed.signature, message);
}

// Arithmetic modulo a prime, for browsers that lack an algorithm. Only public numbers pass here, so
// the time that it takes tells nothing.

function modulo(number, prime) {
  const rest = number % prime;
  return rest < 0n ? rest + prime : rest;
}

function power(base, exponent, prime) {
  let [result, factor] = [1n, modulo(base, prime)];
  for (let left = exponent; left > 0n; left >>= 1n) {
    if (left & 1n) result = (result * factor) % prime;
    factor = (factor * factor) % prime;
  }
  return result;
}

const inverse = (number, prime) => power(number, prime - 2n, prime);

/** Return `scalar` times `point` by doubling and adding. */
function multiply(scalar, point, zero, add) {
  let sum = zero;
  for (const bit of scalar.toString(2)) {
    sum = add(sum, sum);
    if (bit === "1") sum = add(sum, point);
  }
  return sum;
}

// Edwards25519 (RFC 8032 section 5.1), points as (X, Y, Z, T).

const ED_PRIME = 2n ** 255n - 19n;
const ED_ORDER = 2n ** 252n + 27742317777372353535851937790883648493n;
const ED_D = modulo(-121665n * inverse(121666n, ED_PRIME), ED_PRIME);
const ED_ROOT = power(2n, (ED_PRIME - 1n) / 4n, ED_PRIME); // a root of -1
const ED_ZERO = [0n, 1n, 1n, 0n];
const ED_BASE = edPoint(modulo(4n * inverse(5n, ED_PRIME), ED_PRIME), 0n);

const littleEndian = (data) => bigEndian(Uint8Array.from(data).reverse());

function verifyEd25519(data, signature, message) {
  const order = littleEndian(signature.subarray(32));
  const encoded = littleEndian(data);
  const point = edPoint((encoded & (2n ** 255n - 1n)) % ED_PRIME, encoded >> 255n);
  if (order >= ED_ORDER || point === null) return false;
  const hash = littleEndian(sha512(signature.subarray(0, 32), data, message)) % ED_ORDER;
  const [x, y, z, t] = multiply(hash, point, ED_ZERO, edAdd);
  const negative = [modulo(-x, ED_PRIME), y, z, modulo(-t, ED_PRIME)];
  const sum = edAdd(multiply(order, ED_BASE, ED_ZERO, edAdd), negative);
  const scale = inverse(sum[2], ED_PRIME);
  const left = (sum[0] * scale) % ED_PRIME;
  const found = ((sum[1] * scale) % ED_PRIME) | ((left & 1n) << 255n);
  return found === littleEndian(signature.subarray(0, 32)); // compared as it is encoded
}

/** Return the point of height `y` whose x is odd where `sign` is 1; null where there is none. */
function edPoint(y, sign) {
  const square = modulo((y * y - 1n) * inverse(ED_D * y * y + 1n, ED_PRIME), ED_PRIME);
  let x = power(square, (ED_PRIME + 3n) / 8n, ED_PRIME);
  if ((x * x) % ED_PRIME !== square) x = (x * ED_ROOT) % ED_PRIME;
  if ((x * x) % ED_PRIME !== square) return null;
  if ((x & 1n) !== sign) x = modulo(-x, ED_PRIME);
  return [x, y, 1n, (x * y) % ED_PRIME];
}

function edAdd([x1, y1, z1, t1], [x2, y2, z2, t2]) {
  const a = modulo((y1 - x1) * (y2 - x2), ED_PRIME);
  const b = ((y1 + x1) * (y2 + x2)) % ED_PRIME;
  const c = (((2n * t1 * t2) % ED_PRIME) * ED_D) % ED_PRIME;
  const d = (2n * z1 * z2) % ED_PRIME;
  const [e, f, g, h] = [b - a, d - c, d + c, b + a];
  return [e * f, g * h, f * g, e * h].map((each) => modulo(each, ED_PRIME));
}

// P-256 (FIPS 186-5 section 6.4, SP 800-186 section 3.2.1.3), points as (X, Y, Z), x = X/Z², y = Y/Z³.

const P_PRIME = 2n ** 256n - 2n ** 224n + 2n ** 192n + 2n ** 96n - 1n;
const P_ORDER = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;
const P_B = 0x5ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604bn;
const P_BASE = [
  0x6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296n,
  0x4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5n,
  1n,
];
const P_ZERO = [1n, 1n, 0n];

/** Tell whether 65 bytes are an uncompressed point of the curve. */
function isPointOfP256(data) {
  if (data.length !== 65 || data[0] !== 4) return false;
  const [x, y] = [bigEndian(data.subarray(1, 33)), bigEndian(data.subarray(33))];
  return x < P_PRIME && y < P_PRIME && modulo(y * y - x * x * x + 3n * x - P_B, P_PRIME) === 0n;
}

function verifyP256(data, signature, message) {
  const [r, s] = [bigEndian(signature.subarray(0, 32)), bigEndian(signature.subarray(32))];
  if (r === 0n || s === 0n || r >= P_ORDER || s >= P_ORDER) return false;
  const point = [bigEndian(data.subarray(1, 33)), bigEndian(data.subarray(33)), 1n];
  const scale = inverse(s, P_ORDER);
  const one = multiply((bigEndian(sha256(message)) * scale) % P_ORDER, P_BASE, P_ZERO, pAdd);
  const [x, , z] = pAdd(one, multiply((r * scale) % P_ORDER, point, P_ZERO, pAdd));
  if (z === 0n) return false;
  return ((x * inverse(z * z, P_PRIME)) % P_PRIME) % P_ORDER === r;
}

function pAdd(one, two) {
  const [[x1, y1, z1], [x2, y2, z2]] = [one, two];
  if (z1 === 0n) return two;
  if (z2 === 0n) return one;
  const [square1, square2] = [(z1 * z1) % P_PRIME, (z2 * z2) % P_PRIME];
  const [u1, u2] = [(x1 * square2) % P_PRIME, (x2 * square1) % P_PRIME];
  const s1 = (((y1 * square2) % P_PRIME) * z2) % P_PRIME;
  const s2 = (((y2 * square1) % P_PRIME) * z1) % P_PRIME;
  if (u1 === u2) return s1 === s2 ? pDouble(one) : P_ZERO;
  const [h, r] = [modulo(u2 - u1, P_PRIME), s2 - s1];
  const cube = (((h * h) % P_PRIME) * h) % P_PRIME;
  const v = (((h * h) % P_PRIME) * u1) % P_PRIME;
  const x = modulo(r * r - cube - 2n * v, P_PRIME);
  return [x, modulo(r * (v - x) - s1 * cube, P_PRIME), (((h * z1) % P_PRIME) * z2) % P_PRIME];
}

function pDouble([x1, y1, z1]) {
  const square = (y1 * y1) % P_PRIME;
  const [s, depth] = [(4n * x1 * square) % P_PRIME, (z1 * z1) % P_PRIME];
  const m = 3n * (x1 - depth) * (x1 + depth);
  const x = modulo(m * m - 2n * s, P_PRIME);
  return [x, modulo(m * (s - x) - 8n * square * square, P_PRIME), (2n * y1 * z1) % P_PRIME];
}
