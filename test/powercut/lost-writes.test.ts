import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { scratchDirectory } from "../bed/scratch.ts";
import { seeded } from "./cuts.ts";
import { type LostWrites, loseWrites, type Moment } from "./lost-writes.ts";

const piece = 4096;

/** What becomes of a disk of four pieces, one character each, that held `aaaa` when this log began. */
async function afterwards(
  log: Buffer,
  moment: Moment,
  random: () => number,
): Promise<LostWrites & { readonly disk: string }> {
  const scratch = scratchDirectory();
  const path = (name: string): string => join(scratch, name);
  writeFileSync(path("before"), bytesOf("aaaa"));
  writeFileSync(path("log"), log);
  const lost = await loseWrites(path("before"), path("log"), path("disk"), moment, random);
  const pieces = readFileSync(path("disk"), "latin1").match(new RegExp(`(.)\\1{${piece - 1}}`, "gs")) ?? [];
  return { ...lost, disk: pieces.map((text) => text[0]).join("") };
}

function bytesOf(pieces: string): Buffer {
  return Buffer.concat([...pieces].map((character) => Buffer.alloc(piece, character)));
}

/** The entry of a write to the piece `at`; without one, of a flush. */
function entry(at?: number, pieces = ""): Buffer {
  const header = Buffer.alloc(512);
  header.writeBigUInt64LE(BigInt(((at ?? 0) * piece) / 512), 0);
  header.writeBigUInt64LE(BigInt((pieces.length * piece) / 512), 8);
  header.writeBigUInt64LE(at === undefined ? 1n : 0n, 16);
  return Buffer.concat([header, bytesOf(pieces)]);
}

const flushed = Buffer.concat([Buffer.alloc(512, 1), entry(0, "b"), entry(2, "cd"), entry(2, "e"), entry()]);
const log = Buffer.concat([flushed, entry(0, "fgh"), entry(1, "i")]);
const end: Moment = { from: 0, part: 1 };
const keepNothing = (): number => 0;
/** The first number is how much of the cache is kept. */
const keepAll = (): (() => number) => {
  const shares = [1];
  return () => shares.pop() ?? 0.5;
};

describe("a disk whose power has gone", () => {
  it("has what was flushed, in the order it was written", async () => {
    const { disk, kept, lost } = await afterwards(flushed, end, keepNothing);
    expect([disk, kept, lost]).toEqual(["baed", 0, 0]);
  });

  it("has all of its cache, or nothing, or any part of it", async () => {
    expect(await afterwards(log, end, keepNothing)).toEqual({ disk: "baed", kept: 0, lost: 4, until: log.length });
    expect(await afterwards(log, end, keepAll())).toEqual({ disk: "fihd", kept: 4, lost: 0, until: log.length });
    const random = seeded(1);
    const found = new Set<string>();
    for (let time = 0; time < 100; time++) found.add((await afterwards(log, end, random)).disk);
    const possible = ["b", "f"].flatMap((first) =>
      ["a", "g", "i"].flatMap((second) => ["e", "h"].map((third) => `${first}${second}${third}d`)),
    );
    expect([...found].sort()).toEqual(possible.sort());
  });

  it.each([
    ["nothing before the moment begins", { from: 0, part: 0 }, "aaaa"],
    ["what was written until then, not yet flushed", { from: 0, part: 2 / 6 }, "bacd"],
    ["what was written before the moment may begin", { from: flushed.length, part: 0 }, "baed"],
    ["half of what was written since", { from: flushed.length, part: 0.5 }, "fghd"],
  ])("has %s", async (_, moment, disk) => {
    expect((await afterwards(log, moment, keepAll())).disk).toBe(disk);
  });

  it.each([
    ["that the log breaks off in", log.subarray(0, -1)],
    ["that is missing in the log", Buffer.concat([log.subarray(0, -piece - 512), Buffer.alloc(512), entry(1, "j")])],
  ])("knows nothing of a write %s, nor of those behind it", async (_, broken) => {
    const { disk, until } = await afterwards(broken, end, keepAll());
    expect([disk, until]).toEqual(["fghd", log.length - piece - 512]);
  });
});
