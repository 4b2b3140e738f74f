// The verification of a dossier: sixteen checks, numbered as in docs/specs/dossier.md.

const BUNDLES_A_BREATH = 200; // so many are opened before the browser may paint

/**
 * Verify the bytes of a dossier under a policy and return the report.
 *
 * Nothing in `data` throws: what is wrong with it becomes a finding.
 */
async function verifyDossier(data, policy) {
  let dossier;
  try {
    dossier = readDossier(data);
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    const undecided = ["it takes a dossier that can be read (check 1)"];
    const rest = TITLES.slice(1).map((_, at) => conclude(at + 2, "", { undecided }));
    const subject = `${data.length} bytes that cannot be read as a dossier`;
    return makeReport(subject, [conclude(1, "", { failed: [error.message] }), ...rest]);
  }
  const chains = await openBundles(dossier, policy);
  const [logCheck, checkpoint] = await checkCheckpoint(dossier.checkpoint, policy);
  const readings = checkReadings(dossier, chains);
  const checks = [
    checkForm(data, dossier),
    await checkManifest(dossier, policy),
    checkMembers(dossier),
    logCheck,
    ...checkBundles(chains, policy),
    checkChains(chains),
    checkBrackets(chains, dossier.window),
    checkGaps(chains),
    checkLog(chains.flat(), checkpoint),
    ...readings.checks,
    checkSignatures(dossier, checkpoint),
  ];
  const bundles = chains.flat().length;
  const subject = `lot ${dossier.lot} of ${dossier.gtin}: ${bundles} bundles, chains: ${chains.length}`;
  return makeReport(subject, checks, readings.altered);
}

function checkForm(data, dossier) {
  const differs = "the file is not what a writer makes of its members: bytes between them differ";
  const failed = sameBytes(writeArchive(dossier.all), data) ? [] : [differs];
  return conclude(1, `${dossier.all.size} members, ${data.length} bytes`, { failed });
}

async function checkManifest({ sealedManifest: sealed }, policy) {
  const key = policy.aggregator.find((each) => each.kid === sealed.kid);
  const failed = [];
  if (key === undefined) failed.push("the policy names no such key of the aggregator");
  else await keepRefusal(failed, () => openSealed(sealed, key, MANIFEST_PURPOSE));
  return conclude(2, `kid ${sealed.kid}`, { failed });
}

/** Run a step and put the message of its Refusal, if there is one, into `failed`. */
async function keepRefusal(failed, step, prefix = "") {
  try {
    await step();
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    failed.push(prefix + error.message);
  }
}

function checkMembers({ members, named }) {
  const names = [...new Set([...members.keys(), ...named.keys()])].sort(byCharacter);
  const failed = names
    .filter((name) => {
      const both = members.has(name) && named.has(name);
      return !both || !sameBytes(sha256(members.get(name)), named.get(name));
    })
    .map((name) => `${name} is not held and named alike`);
  return conclude(3, `${named.size} members`, { failed });
}

async function checkCheckpoint(note, policy) {
  let opened;
  try {
    opened = await openCheckpoint(note, policy);
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    return [conclude(4, "", { failed: [error.message] }), null];
  }
  const enough = opened.witnesses >= policy.required;
  const failed = enough ? [] : [`the policy requires ${policy.required} witnesses`];
  const evidence = `${policy.log.name} at ${opened.size} leaves, ${opened.witnesses} witnesses`;
  return [conclude(4, evidence, { failed }), opened];
}

/** A held bundle, and which of the checks 5 to 8 it failed. */
class OpenedBundle {
  constructor(chain, number, { sealedHeader, content }, place) {
    Object.assign(this, { chain, number, content, place });
    this.leaf = leafHash(sealedHeader);
    this.header = null; // where it cannot be read; believed only where `proved`
    this.key = null;
    this.columns = new Map(); // by place in the body; those that lead to the header's root
    this.problems = new Map(); // number of the check -> what is wrong
    this.salvaged = null;
    this.placement = null; // of its gateway times, where the clock was in doubt
    this.misplaced = false; // what places it is not proved
  }

  /** Whether the bundle is held for its clock alone, away from the others. */
  get anchor() {
    return this.number < this.chain.heldFirst || this.number > this.chain.heldLast;
  }

  /** Whether key, seal, body and columns all held. */
  get proved() {
    return this.problems.size === 0;
  }

  /** Whether the bundle is of the lot's window; a bracket is not. */
  get within() {
    return this.chain.first <= this.number && this.number <= this.chain.last;
  }

  toString() {
    return `bundle ${this.number} of ${this.chain.gateway}`;
  }

  /** The columns to compare with the record, and whether all could be read. */
  get readable() {
    if (this.proved) return { columns: this.columns, whole: true };
    this.salvaged ??= salvage(this.content);
    return this.salvaged;
  }
}

/** Open every held bundle as far as its proofs allow; one array a chain, none of them empty. */
async function openBundles(dossier, policy) {
  const places = dossier.places.values();
  let opened = 0;
  const chains = [];
  for (const [at, chain] of dossier.chains.entries()) {
    const bundles = [];
    for (const [place, held] of dossier.held[at].entries()) {
      const beyond = place - Number(chain.heldLast - chain.heldFirst + 1n);
      const number = beyond < 0 ? chain.heldFirst + BigInt(place) : chain.anchors[beyond];
      const bundle = new OpenedBundle(chain, number, held, places.next().value);
      await openBundle(bundle, held.sealedHeader, dossier.keys, policy);
      bundles.push(bundle);
      opened += 1;
      if (opened % BUNDLES_A_BREATH === 0) await new Promise((resume) => setTimeout(resume));
    }
    if (!UNPLACED_RULES.includes(dossier.rule)) placeBundles(bundles);
    chains.push(bundles);
  }
  return chains;
}

async function openBundle(bundle, sealedHeader, keys, policy) {
  const { chain, number, problems, content } = bundle;
  try {
    const sealed = peekSeal(sealedHeader);
    bundle.header = decodeHeader(sealed.payload);
    bundle.key = findKey(bundle, sealed.kid, keys, policy);
    await openSealed(sealed, bundle.key, BUNDLE_PURPOSE);
    const { gateway, epoch } = bundle.header;
    if (gateway !== chain.gateway || epoch !== chain.epoch || bundle.header.number !== number) {
      problems.set(6, `its header is of ${gateway}, bundle ${bundle.header.number}`);
    }
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    problems.set(error instanceof UnknownKey ? 5 : 6, error.message);
  }
  const { header } = bundle;
  if (header === null) {
    problems.set(8, "its header cannot be read");
  } else if (isBytes(content) && !sameBytes(sha256(content), header.body_hash)) {
    problems.set(7, "the body is not the one that the header was sealed with");
  } else {
    try {
      bundle.columns = isBytes(content) ? openBody(header, content) : openDisclosed(header, content);
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      problems.set(8, error.message);
    }
  }
}

/** Return the key of `kid` that was valid for the bundle; UnknownKey if none was. */
function findKey({ chain, number }, kid, keys, policy) {
  const found = keys.find(
    (each) =>
      each.key.kid === kid &&
      each.gateway === chain.gateway &&
      each.epoch === chain.epoch &&
      each.first <= number &&
      (each.last === null || number <= each.last),
  );
  if (found === undefined) throw new UnknownKey(`the manifest names no key ${kid} that was valid for it`);
  const pinned = policy.gateways.get(chain.gateway);
  if (pinned !== undefined && !pinned.some((key) => sameBytes(key.data, found.key.data))) {
    throw new UnknownKey(`the policy does not name its key ${kid}`);
  }
  return found.key;
}

function checkBundles(chains, policy) {
  const bundles = chains.flat();
  const keys = new Set(bundles.map((bundle) => bundle.key && toHex(bundle.key.data)));
  const gateways = new Set(bundles.map((bundle) => bundle.chain.gateway));
  const named = [...gateways].filter((gateway) => policy.gateways.has(gateway)).length;
  let [whole, columns, withheld] = [0, 0, 0n];
  for (const { content, columns: shown } of bundles) {
    columns += shown.size;
    if (isBytes(content)) whole += 1;
    else withheld += content.total - BigInt(content.columns.length);
  }
  const private_ = withheld ? `; ${withheld} withheld on the aggregator's word` : "";
  const evidence = [
    `${keys.size} keys of ${gateways.size} gateways, ${named} of them named by the policy`,
    `${bundles.length} seals`,
    `${whole} whole bodies`,
    `${columns} columns${private_}`,
  ];
  return evidence.map((text, at) => {
    const number = at + 5;
    const wrong = bundles.filter((bundle) => bundle.problems.has(number));
    return conclude(number, text, { failed: wrong.map((each) => `${each}: ${each.problems.get(number)}`) });
  });
}
