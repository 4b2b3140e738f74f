// Check 16: the electronic signatures that go with the record (21 CFR 11.50 and 11.70).

const SIGNATURES = "signatures.json";

/**
 * Hold each signature against the record that is here, and against the log.
 *
 * A signature that was taken from another record, or altered, or made after the checkpoint, does
 * not hold; nor does one on a record that was changed since. What was signed of earlier versions
 * of the record stands apart.
 */
function checkSignatures(dossier, checkpoint) {
  const data = dossier.attachments.get(SIGNATURES);
  if (data === undefined) return conclude(16, "no signatures");
  let signed;
  try {
    signed = readSignatures(data);
  } catch (error) {
    if (!(error instanceof RecordRefusal)) throw error;
    return conclude(16, "", { failed: [error.message] });
  }
  const { here, earlier } = signed;
  const needed = ["it takes a checkpoint that the log signed (check 4)"];
  const all = [...here, ...earlier];
  const unlogged = checkpoint === null ? [] : logProblems(signed.logSize, all, checkpoint);
  return conclude(16, `${here.length} signatures, ${earlier.length} of earlier versions`, {
    failed: [...misplaced(here, earlier, dossier), ...unlogged],
    undecided: checkpoint === null && all.length ? needed : [],
  });
}

function misplaced(here, earlier, said) {
  const own = toHex(sha256(said.record));
  const first = here.map(({ version }) => version).reduce((one, two) => (one < two ? one : two), Infinity);
  const wrong = [];
  for (const { name, gtin, lot } of [...here, ...earlier]) {
    if (gtin !== said.gtin || lot !== said.lot) wrong.push(`${name} is about lot ${quote(lot)} of ${quote(gtin)}`);
  }
  for (const { name, version, hash } of here) {
    if (hash !== own) wrong.push(`${name} is about another record than this one`);
    else if (version !== first) wrong.push(`${name} is about version ${version}, another about version ${first}`);
  }
  for (const { name, version, hash } of earlier) {
    if (hash === own || version >= first) {
      wrong.push(`${name} is about version ${version}, which is no earlier one`);
    }
  }
  return wrong;
}

function logProblems(logSize, signatures, { size, root }) {
  const wrong = [];
  if (logSize !== size) wrong.push(`the paths are of a log of ${logSize} leaves, not of ${size}`);
  for (const { name, signed, leaf, path } of signatures) {
    try {
      verifyInclusion(leafHash(signed), leaf, size, path, root);
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      wrong.push(`${name} is not in the log: ${error.message}`);
    }
  }
  return wrong;
}

/** Return what was signed of this version of the record, and of those before it. */
function readSignatures(data) {
  const said = readJson(data, SIGNATURES);
  return saying(SIGNATURES, () => {
    expectFormat(said, "lotproof-signatures-v1");
    const listed = (name) =>
      listOf(said, name).map((each, at) => readSignature(`${name}[${at}]`, each));
    return { logSize: countOf(said, "log_size"), here: listed("signatures"), earlier: listed("earlier") };
  });
}

function readSignature(place, item) {
  const signed = utf8(textOf(item, "signed"));
  const said = readJson(signed, place);
  expectFormat(said, "lotproof-signature-v1");
  for (const name of ["signer", "printed_name", "meaning", "reason"]) {
    if (textOf(said, name) === "") throw new RecordRefusal(`${place} has no ${name}`);
  }
  parseTime(textOf(said, "time"));
  const record = field(said, "record");
  return {
    name: `${place}, ${quote(said.get("meaning"))} by ${quote(said.get("printed_name"))},`,
    signed,
    gtin: textOf(record, "gtin"),
    lot: textOf(record, "lot"),
    version: countOf(record, "version"),
    hash: asHash(field(record, "hash")),
    leaf: countOf(item, "leaf"),
    path: listOf(item, "path").map((step) => fromHex(asHash(step))),
  };
}

function expectFormat(said, wanted) {
  const found = textOf(said, "format");
  if (found !== wanted) throw new RecordRefusal(`${quote(found)} is not ${wanted}`);
}

function countOf(item, name) {
  const value = field(item, name);
  if (!isInt(value) || value < 0n) {
    throw new RecordRefusal(`${show(value)} stands where a count belongs`);
  }
  return value;
}

function asHash(value) {
  if (!/^[0-9a-f]{64}$/.test(asText(value))) {
    throw new RecordRefusal(`${show(value)} stands where a hash belongs`);
  }
  return value;
}
