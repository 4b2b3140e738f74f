// A dossier taken apart: archive, manifest, bundles, paths, series (docs/specs/dossier.md).

const ARCHIVE_MAX = 2 ** 31;
const MEMBERS_MAX = 10_000;
const CHAIN_ITEMS_MAX = 4_000_000;
const CHAIN_GAPS_MAX = 100_000;
const MANIFEST = "manifest.cbor";
const MEMBER_NAME = /^[a-z0-9][a-z0-9._-]{0,99}(\/[a-z0-9][a-z0-9._-]{0,99}){0,3}$/;
const NAME_MAX = 403;
const LOCAL_SIZE = 30;
const CENTRAL_SIZE = 46;
const END_SIZE = 22;
const ENDS = "the archive ends early";

/** Return the members of an archive, by name and in its order, by walking them from the start. */
function readArchive(data) {
  if (data.length > ARCHIVE_MAX) throw new Refusal(`the archive is over ${ARCHIVE_MAX} bytes`);
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const starts = (at, mark) => at + 4 <= data.length && view.getUint32(at) === mark;
  const members = new Map();
  let at = 0;
  while (starts(at, 0x504b0304)) {
    if (members.size === MEMBERS_MAX) throw new Refusal(`the archive has over ${MEMBERS_MAX} members`);
    if (at + LOCAL_SIZE > data.length) throw new Refusal(ENDS);
    const [flags, method, nameLength, extra] = [6, 8, 26, 28].map((by) => view.getUint16(at + by, true));
    const [stored, size] = [18, 22].map((by) => view.getUint32(at + by, true));
    if (flags || method || extra || stored !== size) {
      throw new Refusal("a member is compressed, encrypted or otherwise not of this form");
    }
    const body = at + LOCAL_SIZE + nameLength;
    const end = body + size;
    if (end > data.length) throw new Refusal(ENDS);
    const shown = Math.min(nameLength, NAME_MAX + 1);
    const name = String.fromCharCode(...data.subarray(body - nameLength, body - nameLength + shown));
    if (!MEMBER_NAME.test(name)) {
      throw new Refusal(`${quote(name.slice(0, 100))} is not a name that an archive may hold`);
    }
    if (members.has(name)) throw new Refusal(`the archive has two members ${name}`);
    members.set(name, data.subarray(body, end));
    at = end;
  }
  if (!members.size || !starts(at, 0x504b0102)) throw new Refusal("this is not an archive of this form");
  return members;
}

/** Return what a writer makes of the members: the only archive that may hold them. */
function writeArchive(members) {
  const names = [...members.keys()].sort(); // of plain letters, so that this is their byte order
  const sizes = names.map((name) => members.get(name).length + name.length);
  const local = sizes.reduce((sum, size) => sum + size + LOCAL_SIZE, 0);
  const central = names.reduce((sum, name) => sum + name.length + CENTRAL_SIZE, 0);
  const out = new Uint8Array(local + central + END_SIZE);
  const view = new DataView(out.buffer);
  const write = (at, ...fields) => {
    for (const [size, value] of fields) {
      if (size === 2) view.setUint16(at, value, true);
      else view.setUint32(at, value, true);
      at += size;
    }
    return at;
  };
  let [at, directory] = [0, local];
  for (const name of names) {
    const member = members.get(name);
    const path = utf8(name);
    const same = [ // version to version of the extra field's length, alike in both headers
      [2, 20], [2, 0], [2, 0], [2, 0], [2, 0x21], [4, crc32(member)],
      [4, member.length], [4, member.length], [2, path.length], [2, 0],
    ];
    const mode = 0o100644 * 0x10000;
    const more = [[2, 0], [2, 0], [2, 0], [4, mode], [4, at]];
    directory = write(directory, [4, 0x02014b50], [2, 0x0314], ...same, ...more);
    out.set(path, directory);
    directory += path.length;
    at = write(at, [4, 0x04034b50], ...same);
    out.set(path, at);
    out.set(member, at + path.length);
    at += path.length + member.length;
  }
  const count = names.length;
  write(directory, [4, 0x06054b50], [2, 0], [2, 0], [2, count], [2, count], [4, central], [4, local], [2, 0]);
  return out;
}

/** Take a dossier apart without believing it; a Refusal if it is none. */
function readDossier(data) {
  const all = readArchive(data);
  const members = new Map(all);
  const sealed = members.get(MANIFEST);
  if (sealed === undefined) throw new Refusal(`the dossier has no ${MANIFEST}`);
  members.delete(MANIFEST);
  const sealedManifest = peekSeal(sealed);
  const manifest = decodeManifest(sealedManifest.payload);
  const left = new Map(members);
  const take = (name) => {
    const found = left.get(name);
    if (found === undefined) throw new Refusal(`the dossier has no ${name}`);
    left.delete(name);
    return found;
  };
  const takeFolder = (folder, suffix) => {
    const names = [...left.keys()].filter((name) => name.startsWith(folder) && name.endsWith(suffix));
    return new Map(names.map((name) => [name.slice(folder.length, name.length - suffix.length), take(name)]));
  };
  const dossier = {
    ...manifest,
    held: manifest.chains.map((chain) => decodeChain(take(`bundles/${chain.gateway}/${chain.epoch}.cbor`))),
    places: decodePaths(take("log.cbor")),
    checkpoint: take("checkpoint.txt"),
    record: take("record.json"),
    audit: take("audit.json"),
    series: takeFolder("series/", ".cbor"),
    attachments: takeFolder("attachments/", ""),
    sealedManifest,
    all,
    members,
  };
  if (left.size) throw new Refusal(`the dossier holds ${[...left.keys()].sort()[0]}, which no dossier has`);
  dossier.chains.forEach((chain, at) => {
    const expected = chain.heldLast - chain.heldFirst + 1n + BigInt(chain.anchors.length);
    if (BigInt(dossier.held[at].length) !== expected) {
      const held = `the chain of ${chain.gateway} holds ${dossier.held[at].length} bundles, `;
      throw new Refusal(`${held}not those from ${chain.heldFirst} to ${chain.heldLast}`);
    }
  });
  if (dossier.places.length !== dossier.held.reduce((sum, held) => sum + held.length, 0)) {
    throw new Refusal("the dossier has not one inclusion path a bundle");
  }
  return dossier;
}

/** Return the manifest that `data` is; a Refusal if it is none. */
function decodeManifest(data) {
  const item = decodeCbor(data);
  const fields = isMap(item) ? Array.from({ length: 8 }, (_, at) => item.get(BigInt(at + 1))) : [];
  const isWindow = (each) => matches(each, isInt, isInt);
  const whole = matches(fields, isText, isText, isWindow, isText, isInt, isList, isList, isMap);
  if (!whole || item.size !== 8) throw new Refusal("a manifest has not exactly its fields");
  const [gtin, lot, [start, end], rule, , chains, keys, named] = fields;
  for (const [name, digest] of named) {
    if (!isText(name) || !isBytesOf(32)(digest)) {
      throw new Refusal("a manifest's members are not name: SHA-256");
    }
  }
  const manifest = {
    gtin,
    lot,
    window: { start, end },
    rule,
    chains: chains.map(readChain),
    keys: keys.map(readKeyRange),
    named,
  };
  const places = new Set(manifest.chains.map((chain) => `${chain.gateway}/${chain.epoch}`));
  if (places.size !== chains.length) throw new Refusal("a manifest states one chain twice");
  return manifest;
}

function readChain(item) {
  const numbers = [isInt, isInt, isInt, isInt];
  const more = isList(item) && item.length === 10 ? [isAny] : [];
  const whole = matches(item, isText, isBytesOf(16), ...numbers, isBytesOf(32), isInt, isAny, ...more);
  const [gateway, epoch, first, last, heldFirst, heldLast, head, count, gaps, anchors] = whole ? item : [];
  const ordered = whole && 0n <= heldFirst && heldFirst <= first && first <= last && last <= heldLast;
  if (!ordered || first - heldFirst > 1n || heldLast - last > 1n || count < 0n) {
    throw new Refusal("a manifest's chain is not of its form, or its numbers are out of order");
  }
  return {
    gateway: checkGateway(gateway), epoch: toHex(epoch), first, last, heldFirst, heldLast, head, count,
    gaps: readGaps(gaps, CHAIN_GAPS_MAX),
    anchors: more.length ? readAnchors(anchors, heldFirst, heldLast) : [],
  };
}

/** Return the numbers of the bundles that are held for their clock: one before and one behind. */
function readAnchors(item, heldFirst, heldLast) {
  const [one, two] = isList(item) ? item : [];
  const outside = (number) => isInt(number) && number >= 0n && (number < heldFirst || number > heldLast);
  const whole = outside(one) && (item.length === 1 || (item.length === 2 && outside(two)));
  if (!whole || (item.length === 2 && !(one < heldFirst && two > heldLast))) {
    throw new Refusal("a chain's anchors are not one before and one behind what is held");
  }
  return item;
}

function readKeyRange(item) {
  const whole = matches(item, isText, isBytesOf(16), isInt, isIntOrNull, isInt, isBytes);
  const [gateway, epoch, first, last, algorithm, data] = whole ? item : [];
  const name = Object.keys(ALGORITHMS).find((each) => ALGORITHMS[each] === algorithm);
  if (!whole || name === undefined || first < 0n || (last !== null && last < first)) {
    throw new Refusal("a manifest's key is not [gateway, epoch, first, last, algorithm, key]");
  }
  return { gateway: checkGateway(gateway), epoch: toHex(epoch), first, last, key: makeKey(name, data) };
}

/** Return the held bundles of one chain: sealed header, and whole body or the columns disclosed. */
function decodeChain(data) {
  const items = decodeCbor(data, { itemsMax: CHAIN_ITEMS_MAX });
  if (!isList(items)) throw new Refusal("a chain's member is not an array");
  return items.map((item) => {
    if (isBytes(item)) {
      const { sealedHeader, body } = splitBundle(item);
      return { sealedHeader, content: body };
    }
    const whole = matches(item, isBytes, isInt, isList);
    if (!whole || item[1] < 0n || item[1] > COLUMNS_MAX) {
      throw new Refusal("a held bundle is neither whole nor [sealed header, columns, disclosed]");
    }
    const [sealedHeader, total, disclosed] = item;
    const columns = disclosed.map(readDisclosed);
    if (columns.some((each, at) => at > 0 && each.column <= columns[at - 1].column)) {
      throw new Refusal("disclosed columns repeat or are out of order");
    }
    return { sealedHeader, content: { total, columns } };
  });
}

function readDisclosed(item) {
  const isPath = (each) => isList(each) && each.every(isBytesOf(32));
  if (!matches(item, isInt, isBytesOf(16), isBytes, isPath)) {
    throw new Refusal("a disclosed column is not [index, salt, column, path]");
  }
  const [column, salt, data, path] = item;
  return { column, salt, data, path };
}

/** Return where each held bundle stands in the log, and the inclusion path from there. */
function decodePaths(data) {
  const item = decodeCbor(data, { itemsMax: CHAIN_ITEMS_MAX });
  if (!matches(item, isBytes, isList) || item[0].length % 32) {
    throw new Refusal("the inclusion paths are not [hashes, paths]");
  }
  const [packed, entries] = item;
  const count = packed.length / 32;
  return entries.map((entry) => {
    const rows = matches(entry, isInt, isTyped(70)) ? readCounts(entry[1].content) : null;
    if (rows === null || rows.some((row) => row >= count)) {
      throw new Refusal("an inclusion path is not [index, places of its hashes]");
    }
    return { leaf: entry[0], path: Array.from(rows, (row) => packed.subarray(32 * row, 32 * row + 32)) };
  });
}

/** Return 32-bit unsigned integers, little-endian; null where the bytes are not whole ones. */
function readCounts(packed) {
  return packed.length % 4 ? null : new Uint32Array(packed.slice().buffer);
}

/** Return the series that `data` is: its signal, and bundle by bundle the readings of each chain. */
function decodeSeries(data) {
  const item = decodeCbor(data, { itemsMax: CHAIN_ITEMS_MAX });
  if (!matches(item, isText, isList)) throw new Refusal("a series is not [signal, parts]");
  const [signal, parts] = item;
  return { signal, parts: parts.map((part) => readPart(signal, part)) };
}

function readPart(signal, item) {
  if (!matches(item, isText, isBytes, isInt, isTyped(70), isList)) {
    throw new Refusal("a series' part is not [gateway, epoch, first, counts, columns]");
  }
  const [gateway, epoch, first, { content }, columns] = item;
  const counts = readCounts(content);
  if (epoch.length !== 16 || first < 0n || counts === null) {
    throw new Refusal("a series' part has a wrong epoch, number or counts");
  }
  if (!columns.every(isBytes)) throw new Refusal("a series' column is not a byte string");
  if (counts.reduce((sum, count) => sum + count, 0) !== columns.length) {
    throw new Refusal("a series' counts do not add up to its columns");
  }
  let at = 0;
  const runs = Array.from(counts, (count) =>
    columns.slice(at, (at += count)).flatMap((data) => readOwn(signal, data)),
  );
  return { gateway: checkGateway(gateway), epoch: toHex(epoch), first, runs, readings: runs.flat() };
}

function readOwn(signal, data) {
  const column = decodeColumn(data);
  if (column.signal !== signal) {
    throw new Refusal(`a reading of another signal stands in the series ${signal}`);
  }
  return column.readings();
}
