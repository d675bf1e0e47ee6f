/** A part of a user namespace, as in config.json. */
export interface IdMapping {
  readonly containerID: number;
  readonly hostID: number;
  readonly size: number;
}

/** Consecutive ids of the host. */
export interface IdRange {
  readonly start: number;
  readonly count: number;
}

/** The most extents that the kernel takes. https://man7.org/linux/man-pages/man7/user_namespaces.7.html */
const extentLimit = 340;
const idLimit = 0xffff_ffff;

/**
 * The ids of a container whose root is `own` of the host: above it come those of `ranges`, one after the other without a gap.
 * No id of the host is given twice, however the ranges overlap; what is no id, or `own` itself, is left out.
 */
export function mapIds(own: number, ranges: readonly IdRange[]): readonly IdMapping[] {
  const mappings: IdMapping[] = [{ containerID: 0, hostID: own, size: 1 }];
  let next = 1;
  for (const range of ranges) {
    for (const { start, count } of withoutTaken(range, mappings)) {
      if (mappings.length === extentLimit) return mappings;
      mappings.push({ containerID: next, hostID: start, size: count });
      next += count;
    }
  }
  return mappings;
}

/** Whether an id of the container has one of the host behind it. */
export function isMapped(id: number, mappings: readonly IdMapping[]): boolean {
  return mappings.some(({ containerID, size }) => id >= containerID && id < containerID + size);
}

/**
 * The ranges that a file such as /etc/subuid gives to a user, by name or number. Lines that are none are passed over.
 * https://man7.org/linux/man-pages/man5/subuid.5.html
 */
export function parseSubordinate(text: string, name: string, id: number): readonly IdRange[] {
  return text.split("\n").flatMap((line): readonly IdRange[] => {
    const [, owner, start, count] = /^([^:\s]+):([0-9]{1,10}):([0-9]{1,10})\s*$/.exec(line) ?? [];
    if (owner === undefined || (owner !== name && owner !== String(id))) return [];
    return [{ start: Number(start), count: Number(count) }];
  });
}

/** What is left of a range when the ids that are taken are cut out of it, in order. */
function withoutTaken({ start, count }: IdRange, taken: readonly IdMapping[]): readonly IdRange[] {
  const end = Math.min(start + count, idLimit);
  const free: IdRange[] = [];
  let at = start;
  for (const { hostID, size } of taken.toSorted((a, b) => a.hostID - b.hostID)) {
    if (hostID + size <= at || hostID >= end) continue;
    if (hostID > at) free.push({ start: at, count: hostID - at });
    at = hostID + size;
  }
  if (at < end) free.push({ start: at, count: end - at });
  return free;
}
