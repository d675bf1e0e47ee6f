import { writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type LayerChange, type PlannedChange, planChange } from "../../src/layer/change.ts";
import type { Attributes } from "../../src/layer/entry.ts";
import { openTarReader } from "../../src/layer/tar.ts";
import { formatEntry, tarEnd, tarPadding } from "../../src/layer/tar-format.ts";
import { runProgram, scratchDirectory } from "../bed/scratch.ts";

const object = "0".repeat(64);
const plain: Attributes = { uid: 1, gid: 2, mode: 0o4755, mtime: 1_700_000_000, xattrs: [] };

function archive(changes: readonly LayerChange[]): Buffer {
  const content = (change: LayerChange): readonly Buffer[] =>
    change.kind === "file" ? [Buffer.alloc(change.size, "c"), tarPadding(change.size)] : [];
  return Buffer.concat([...changes.flatMap((change) => [formatEntry(change), ...content(change)]), tarEnd]);
}

/** What keelson reads of an archive. */
function planned(tar: Buffer): readonly PlannedChange[] {
  const found: PlannedChange[] = [];
  const entry = (one: Parameters<typeof planChange>[0]): void => {
    const change = planChange(one);
    if (change !== undefined) found.push(change);
  };
  const reader = openTarReader({ entry, data: () => undefined, end: () => undefined });
  reader.write(tar);
  reader.finish();
  return found;
}

/** A change as it is planned: before its object is known. */
function bare(change: LayerChange): object {
  const { object: _, ...rest } = { object, ...change };
  return rest;
}

const rows: readonly LayerChange[] = [
  { kind: "directory", path: "", attributes: plain },
  { kind: "directory", path: "d", attributes: { ...plain, mode: 0o1777 } },
  { kind: "file", path: "d/f", attributes: plain, object, size: 513 },
  { kind: "file", path: "empty", attributes: plain, object, size: 0 },
  { kind: "file", path: "n".repeat(100), attributes: plain, object, size: 512 },
  { kind: "file", path: `${"long/".repeat(60)}name`, attributes: plain, object, size: 1 },
  { kind: "file", path: "caf\xe9", attributes: plain, object, size: 1 },
  { kind: "file", path: "owner", attributes: { ...plain, uid: 8 ** 7, gid: 0xfffffffe }, object, size: 1 },
  { kind: "file", path: "early", attributes: { ...plain, mtime: -1.5 }, object, size: 1 },
  { kind: "file", path: "precise", attributes: { ...plain, mtime: 1_704_164_645.123456 }, object, size: 1 },
  { kind: "file", path: "late", attributes: { ...plain, mtime: 8 ** 11 }, object, size: 1 },
  {
    kind: "file",
    path: "xattrs",
    attributes: {
      ...plain,
      xattrs: [
        ["security.capability", `\x01\0\0\x02\n=${"\0".repeat(14)}`],
        ["user.a", "caf\xc3\xa9"],
      ],
    },
    object,
    size: 1,
  },
  { kind: "symlink", path: "l", attributes: { ...plain, mode: 0o777 }, object, target: "t".repeat(3000) },
  { kind: "hardlink", path: "h", target: "d/f" },
  { kind: "hardlink", path: "far", target: `${"long/".repeat(60)}name` },
  { kind: "fifo", path: "p", attributes: plain },
  { kind: "character", path: "c", attributes: plain, major: 0xfff, minor: 0xfffff },
  { kind: "whiteout", path: "gone" },
  { kind: "whiteout", path: "d/gone" },
  { kind: "opaque", path: "" },
  { kind: "opaque", path: "d" },
];

describe("an entry that is written", () => {
  it.each(rows.map((change) => [change.kind, change.path.slice(0, 12), change] as const))(
    "is read as it was: %s %s",
    (_, _path, change) => {
      expect(planned(archive([change]))).toEqual([bare(change)]);
    },
  );

  it("of more than eight gibibytes says so", () => {
    const size = 8 ** 11 + 5;
    const sizes: number[] = [];
    const sink = {
      entry: (entry: { size: number }) => sizes.push(entry.size),
      data: () => undefined,
      end: () => undefined,
    };
    openTarReader(sink).write(formatEntry({ kind: "file", path: "f", attributes: plain, object, size }));
    expect(sizes).toEqual([size]);
  });

  it("is written alike from what was read of it", () => {
    const time = fc.double({ min: -(2 ** 31), max: 2 ** 33, noNaN: true }).map((mtime) => Number(mtime.toFixed(9)));
    fc.assert(
      fc.property(time, fc.nat(0xfffffffe), fc.stringMatching(/^[a-z]{1,300}$/), (mtime, uid, path) => {
        const change: LayerChange = { kind: "fifo", path: path.slice(0, 250), attributes: { ...plain, mtime, uid } };
        const once = archive([change]);
        expect(archive(planned(once) as readonly LayerChange[]).equals(once)).toBe(true);
      }),
    );
  });

  it("is read by GNU tar, with the attributes of what a hard link leads to", () => {
    const file = join(scratchDirectory(), "layer.tar");
    const linked = Buffer.concat([formatEntry({ kind: "hardlink", path: "hard", target: "d/f" }, plain), tarEnd]);
    writeFileSync(file, Buffer.concat([archive(rows).subarray(0, -tarEnd.length), linked]));
    const listed = runProgram("tar", ["--numeric-owner", "--quoting-style=escape", "-tvf", file]).trim().split("\n");
    expect(listed).toHaveLength(rows.length + 1);
    expect(listed[2]).toMatch(/^-rwsr-xr-x 1\/2 +513 2023-11-14 .* d\/f$/);
    expect(listed.at(-1)).toMatch(/^hrwsr-xr-x 1\/2 .* hard link to d\/f$/);
  });
});
