// From what a family says of each variant to one trial per size and number of cores.

/** @import { Job, Peer, Target, Trial } from './family.js' */

/**
 * A role, and who plays it: a variant of the family's Node peers, or 'c' for its C program.
 * @typedef {[role: string, who: string]} Part
 */

/**
 * @typedef {object} Variant
 * @property {Job} job
 * @property {string} name
 * @property {string} description
 * @property {(1 | 2)[]} cores
 * @property {Part[]} peers who measures first; 'c' stands for the C program on the Node side too
 * @property {Part[]} [baseline] the same roles played by C where nothing is said
 * @property {string[]} [setting] for the family's `setUp`
 * @property {number[]} [sizes] instead of the family's
 * @property {number} [warmup] iterations before the first turn, where each takes a good part of a millisecond or more
 * @property {boolean} [alternating] as in `Trial`
 * @property {number} [speedup] how many times the iterations of the baseline Node needs to last about as long
 * @property {Partial<Record<1 | 2, Target>>} [targets] by number of cores, for the size that targets are about
 */

/**
 * @typedef {object} Scale
 * @property {number[]} sizes
 * @property {number} targetSize
 * @property {(job: Job, size: number, cores: 1 | 2) => number} cost roughly what an iteration of the baseline takes, in nanoseconds
 */

/** How long the baseline should take for one turn; the counts follow from the rough costs. */
const TURN_IN_NANOSECONDS = 8e6;
/** V8 optimises after some thousand calls; between cores most of the time is the wake-up. */
const WARMUP = 5000;
const WARMUP_OF_SLOW = 2000;
const SLOW_IN_NANOSECONDS = 20_000;

/**
 * Client and server, both of this variant.
 * @param {string} name
 * @returns {Part[]}
 */
export function both(name) {
  return [
    ['client', name],
    ['server', name],
  ];
}

/**
 * A round trip in every way that a family without messages has: through sys, through the class, and with spin.
 * @param {Job} job
 * @param {{ sys: string, classSync: string, async: string }} descriptions
 * @param {{ sysTargets?: Variant['targets'], asyncSpeedup?: number }} [besides]
 * @returns {Variant[]}
 */
export function roundTrips(job, descriptions, { sysTargets = {}, asyncSpeedup = 0.25 } = {}) {
  /**
   * @param {string} name
   * @param {string} description
   * @param {Partial<Variant>} [more]
   * @returns {Variant}
   */
  const variant = (name, description, more) => ({
    job,
    name,
    description,
    cores: [1, 2],
    peers: both(name),
    ...more,
  });
  return [
    variant('sys', descriptions.sys, { targets: sysTargets }),
    variant('class-sync', descriptions.classSync),
    variant('async', descriptions.async, { speedup: asyncSpeedup }),
    variant('spin', 'sync, spin: 50 against blocking C', { cores: [2], speedup: 15 }),
    variant('spin-async', 'await, spin: 50 against blocking C', { cores: [2], speedup: 5 }),
  ];
}

/**
 * @param {Part} part
 * @returns {Peer}
 */
function peer([role, who]) {
  return who === 'c' ? { runtime: 'c', args: [role] } : { runtime: 'node', args: [role, who] };
}

/**
 * @param {Variant} variant
 * @param {Scale} scale
 * @param {number} size
 * @param {1 | 2} cores
 * @returns {Trial}
 */
function declare(variant, scale, size, cores) {
  const {
    job,
    name,
    description,
    peers,
    baseline,
    setting,
    alternating,
    targets = {},
    speedup = 1,
  } = variant;
  const cost = scale.cost(job, size, cores);
  const count = Math.max(1, Math.round(TURN_IN_NANOSECONDS / cost));
  const target = size === scale.targetSize ? targets[cores] : undefined;
  return {
    job,
    variant: name,
    description,
    size,
    cores,
    warmup: variant.warmup ?? (cost >= SLOW_IN_NANOSECONDS ? WARMUP_OF_SLOW : WARMUP),
    count: { baseline: count, node: Math.max(1, Math.round(count * speedup)) },
    baseline: (baseline ?? peers.map(([role]) => /** @type {Part} */ ([role, 'c']))).map(peer),
    node: peers.map(peer),
    quick: target !== undefined,
    ...(setting ? { setting } : {}),
    ...(alternating ? { alternating } : {}),
    ...(target ? { target } : {}),
  };
}

/**
 * @param {Variant[]} variants
 * @param {Scale} scale
 * @returns {Trial[]}
 */
export function declareTrials(variants, scale) {
  return variants.flatMap((variant) =>
    (variant.sizes ?? scale.sizes).flatMap((size) =>
      variant.cores.map((cores) => declare(variant, scale, size, cores)),
    ),
  );
}
