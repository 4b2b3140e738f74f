// Checks 9 to 12: the chains, what stands on either side of the lot, the gaps, the log.

function checkChains(chains) {
  const readings = chains.reduce((sum, [bundle]) => sum + bundle.chain.count, 0n);
  return conclude(9, `${chains.length} chains, ${readings} readings`, {
    failed: chains.flatMap(chainProblems),
    undecided: chains.length ? [] : ["no bundle is held, so nothing is proved"],
  });
}

function chainProblems(bundles) {
  const stated = bundles[0].chain;
  const problems = [];
  for (const bundle of bundles) {
    if (bundle.header === null) {
      problems.push(`${bundle}: its header cannot be read`);
    } else if (bundle.header.number !== bundle.number) {
      problems.push(`${bundle}: number ${bundle.header.number} stands in its place`);
    }
  }
  const run = runOf(bundles);
  for (const [at, after] of run.entries()) {
    const before = run[at - 1];
    if (before === undefined || after.header === null || before.header === null) continue;
    if (!sameBytes(after.header.previous, before.leaf)) {
      problems.push(`${after} was sealed after another bundle than the one held before it`);
    }
    if (after.header.first_reading !== before.header.first_reading + before.header.count) {
      problems.push(`${after} starts at another reading number than ${before} ends at`);
    }
  }
  const within = bundles.filter((bundle) => bundle.within);
  if (!sameBytes(within.at(-1).leaf, stated.head)) {
    problems.push(`${within.at(-1)} is not the head that the manifest states`);
  }
  const count = within.reduce((sum, { header }) => sum + (header?.count ?? 0n), 0n);
  if (count !== stated.count) {
    problems.push(`${stated.gateway}: ${count} readings are held, the manifest states ${stated.count}`);
  }
  return problems;
}

/** Return the bundles that follow each other: all but those held for their clock alone. */
const runOf = (bundles) => bundles.filter((bundle) => !bundle.anchor);

/** Hold what stands outside the window against it: nothing of the lot may be out there. */
function checkBrackets(chains, window) {
  const [failed, undecided] = [[], []];
  const openings = new Set();
  for (const { chain, header } of chains.flat()) {
    const opening = header?.opening;
    if (opening) openings.add(`${chain.gateway}/${opening.epoch}/${opening.head}`);
  }
  for (const bundles of chains) {
    const run = runOf(bundles);
    const [first, last] = [run[0], run.at(-1)];
    const stated = first.chain;
    if (stated.heldFirst < stated.first) {
      if (first.header === null || placedTime(first.placement, first.header.last_time) >= window.start) {
        failed.push(`${first} reaches into the lot's window, but is not counted to it`);
      }
    } else if (stated.first > 0n) {
      undecided.push(`${stated.gateway}: nothing shows what bundle ${stated.first - 1n} held`);
    }
    if (stated.heldLast > stated.last) {
      if (last.header === null || placedTime(last.placement, last.header.first_time) < window.end) {
        failed.push(`${last} starts in the lot's window, but is not counted to it`);
      }
    } else if (!openings.has(`${stated.gateway}/${stated.epoch}/${toHex(stated.head)}`)) {
      undecided.push(`${stated.gateway}: nothing shows what bundle ${stated.last + 1n} held`);
    }
  }
  const held = chains.flatMap(runOf).filter((bundle) => !bundle.within).length;
  return conclude(10, `${held} bracketing bundles`, { failed, undecided });
}

function checkGaps(chains) {
  const failed = [];
  let count = 0;
  for (const bundles of chains) {
    const { gateway, gaps } = bundles[0].chain;
    const declared = bundles.filter((bundle) => bundle.within).flatMap(({ header }) => header?.gaps ?? []);
    count += declared.length;
    if (declared.length !== gaps.length || declared.some((gap, at) => gap !== gaps[at])) {
      const states = `the manifest states ${gaps.length}, and they are not the same`;
      failed.push(`${gateway}: the headers declare ${declared.length} gaps, ${states}`);
    }
  }
  return conclude(11, `${count} gaps`, { failed });
}

function checkLog(bundles, checkpoint) {
  if (checkpoint === null) {
    return conclude(12, "", { undecided: ["it takes a checkpoint that the log signed (check 4)"] });
  }
  const failed = [];
  for (const bundle of bundles) {
    try {
      const { leaf, path } = bundle.place;
      verifyInclusion(bundle.leaf, leaf, checkpoint.size, path, checkpoint.root);
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      failed.push(`${bundle}: ${error.message}`);
    }
  }
  return conclude(12, `${bundles.length} leaves of ${checkpoint.size}`, { failed });
}
