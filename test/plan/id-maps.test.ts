import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type IdRange, isMapped, mapIds, parseSubordinate } from "../../src/plan/id-maps.ts";

describe("78: the ids of a user's containers", () => {
  it.each<[string, readonly IdRange[], readonly (readonly number[])[]]>([
    ["root alone, where nothing is given", [], [[0, 1000, 1]]],
    [
      "one range from 1 on",
      [{ start: 100_000, count: 65_536 }],
      [
        [0, 1000, 1],
        [1, 100_000, 65_536],
      ],
    ],
    [
      "several, without a gap between them",
      [
        { start: 100_000, count: 10 },
        { start: 500_000, count: 5 },
      ],
      [
        [0, 1000, 1],
        [1, 100_000, 10],
        [11, 500_000, 5],
      ],
    ],
    [
      "ranges that overlap, each id once",
      [
        { start: 100, count: 10 },
        { start: 105, count: 10 },
        { start: 90, count: 30 },
      ],
      [
        [0, 1000, 1],
        [1, 100, 10],
        [11, 110, 5],
        [16, 90, 10],
        [26, 115, 5],
      ],
    ],
    [
      "a range with the user's own id in it",
      [{ start: 998, count: 5 }],
      [
        [0, 1000, 1],
        [1, 998, 2],
        [3, 1001, 2],
      ],
    ],
    ["nothing beyond the last id", [{ start: 0xffff_ffff, count: 10 }], [[0, 1000, 1]]],
  ])("%s", (_, ranges, expected) => {
    expect(mapIds(1000, ranges).map(({ containerID, hostID, size }) => [containerID, hostID, size])).toEqual(expected);
  });

  it("are what the kernel takes, whatever the files say", () => {
    const range = fc.record({ start: fc.nat(3000), count: fc.nat(500) });
    fc.assert(
      fc.property(fc.nat(3000), fc.array(range, { maxLength: 20 }), (own, ranges) => {
        const mappings = mapIds(own, ranges);
        const ids = mappings.flatMap(({ hostID, size }) => Array.from({ length: size }, (_, index) => hostID + index));
        expect(new Set(ids).size).toBe(ids.length);
        const given = ranges.flatMap(({ start, count }) => Array.from({ length: count }, (_, index) => start + index));
        expect(new Set(ids)).toEqual(new Set([own, ...given]));
        expect(ids.every((_, id) => isMapped(id, mappings))).toBe(true);
        expect(isMapped(ids.length, mappings)).toBe(false);
      }),
    );
  });

  it("are no more extents than the kernel takes", () => {
    const ranges = Array.from({ length: 500 }, (_, index) => ({ start: 10_000 + 2 * index, count: 1 }));
    expect(mapIds(1, ranges)).toHaveLength(340);
  });

  it("are given by name or number, on lines of their own", () => {
    const text = "kim:100000:65536\nkimberly:1:2\n1000:300000:10\n#kim:5:5\nkim:x:5\nkim:7:8:9\n:1:2\n";
    expect(parseSubordinate(text, "kim", 1000)).toEqual([
      { start: 100_000, count: 65_536 },
      { start: 300_000, count: 10 },
    ]);
  });
});
