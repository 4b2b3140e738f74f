// When the readings of an unsynchronised gateway were: placed by time anchors (docs/specs/record.md, "Clock").

const DRIFT_PPM = 100n; // how fast an oscillator may run wrong
const JITTER = 1_000_000n; // wall and monotonic time are read one after the other
const SYNCHRONISED = 2n;
const UNPLACED_RULES = ["window/1", "window/2"]; // under these, gateway times stood as they were sealed

/** Place the bundles of a chain whose clock was in doubt by the others, as their headers say. */
function placeBundles(bundles) {
  const stamps = bundles.filter(({ header }) => header !== null);
  stamps.sort((one, two) => (one.number < two.number ? -1 : 1));
  let [before, waiting] = [null, []];
  const misplaced = bundles.some((bundle) => bundle.anchor && !bundle.proved);
  const placeAll = (behind) => {
    for (const bundle of waiting) {
      bundle.misplaced = misplaced;
      bundle.placement = placementOf(bundle.header, before?.header ?? null, behind?.header ?? null);
    }
  };
  for (const bundle of stamps) {
    if (bundle.header.clock.state !== SYNCHRONISED) {
      waiting.push(bundle);
      continue;
    }
    placeAll(bundle);
    [before, waiting] = [bundle, []];
  }
  placeAll(null);
}

/** Return how a bundle is placed by the synchronised ones nearest to it. */
function placementOf(header, before, behind) {
  const within = greatest(header.sealed_time - header.first_time, 0n);
  const anchors = [];
  for (const [anchor, passed] of [
    [behind, behind && monotonicBetween(header, behind) + within],
    [before, before && monotonicBetween(before, header)],
  ]) {
    if (anchor === null || !sameBytes(anchor.boot, header.boot)) continue;
    const drift = (passed * DRIFT_PPM) / 1_000_000n;
    anchors.push({ anchor, uncertainty: anchor.clock.uncertainty + drift + JITTER });
  }
  if (anchors.length) {
    const [first, second] = anchors; // of two that are as good, the later counts
    const { anchor } = second && second.uncertainty < first.uncertainty ? second : first;
    return { shift: began(anchor) - began(header), earliest: 0n, latest: null };
  }
  const earliest = greatest(header.clock.floor, before?.sealed_time ?? 0n);
  return { shift: 0n, earliest, latest: behind && greatest(behind.first_time, earliest) };
}

const least = (one, two) => (one < two ? one : two);
const greatest = (one, two) => (one > two ? one : two);
const began = (header) => header.sealed_time - header.sealed_monotonic;
const monotonicBetween = (one, two) => greatest(two.sealed_monotonic - one.sealed_monotonic, 0n);

/** Return a gateway time, placed where that has to be. */
function placedTime(placement, gatewayTime) {
  if (!placement) return gatewayTime;
  const shifted = gatewayTime + placement.shift;
  const bounded = placement.latest === null ? shifted : least(shifted, placement.latest);
  return greatest(bounded, placement.earliest);
}

/** Return the time that decides to which lot a reading belongs. */
function readingTime({ source, gateway, code }, placement) {
  const time = source === null || code === IMPOSSIBLE_TIME ? gateway : source;
  return time === gateway ? placedTime(placement, time) : time;
}
