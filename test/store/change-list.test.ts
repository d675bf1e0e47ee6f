import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { digestOf } from "../../src/image/digest.ts";
import type { LayerChange } from "../../src/layer/change.ts";
import {
  listFile,
  openListWriter,
  readChangeList,
  readNewList,
  readWholeChangeList,
} from "../../src/store/change-list.ts";
import { writeAllDurably } from "../../src/store/durable.ts";
import { scratchDirectory } from "../bed/scratch.ts";

const diffId = digestOf("a layer");
const damaged = expect.objectContaining({ code: "E_STORE" });

const bytes = fc.uint8Array({ maxLength: 20 }).map((value) => Buffer.from(value).toString("latin1"));
const attributes = fc.record({
  uid: fc.nat(0xfffffffe),
  gid: fc.nat(0xfffffffe),
  mode: fc.nat(0o7777),
  mtime: fc.oneof(
    fc.integer(),
    fc.double({ min: -1e9, max: 1e10, noNaN: true }).map((time) => time + 0),
  ),
  xattrs: fc.array(fc.tuple(bytes, bytes), { maxLength: 2 }),
});
const object = fc.uint8Array({ minLength: 32, maxLength: 32 }).map((value) => Buffer.from(value).toString("hex"));
const change: fc.Arbitrary<LayerChange> = fc.oneof(
  fc.record({ kind: fc.constant("directory" as const), path: bytes, attributes }),
  fc.record({ kind: fc.constant("file" as const), path: bytes, attributes, object, size: fc.nat() }),
  fc.record({ kind: fc.constant("symlink" as const), path: bytes, attributes, object, target: bytes }),
  fc.record({ kind: fc.constant("hardlink" as const), path: bytes, target: bytes }),
  fc.record({ kind: fc.constant("fifo" as const), path: bytes, attributes }),
  fc.record({ kind: fc.constant("character" as const), path: bytes, attributes, major: fc.nat(), minor: fc.nat() }),
  fc.record({ kind: fc.constant("whiteout" as const), path: bytes }),
  fc.record({ kind: fc.constant("opaque" as const), path: bytes }),
);

function write(images: string, changes: readonly LayerChange[]): void {
  const list = openListWriter(join(scratchDirectory(), "list"));
  for (const change of changes) list.add(change);
  writeAllDurably([listFile(images, diffId, list.finish())]);
}

function written(images: string): string {
  write(images, [
    { kind: "whiteout", path: "a" },
    { kind: "opaque", path: "b" },
  ]);
  const [name = ""] = readdirSync(join(images, "layers"));
  return join(images, "layers", name);
}

describe("a change list", () => {
  it("is read as it was written, whatever bytes its names hold", () => {
    const images = scratchDirectory();
    fc.assert(
      fc.property(fc.array(change, { maxLength: 6 }), (changes) => {
        write(images, changes);
        // JSON knows no negative zero, and no time needs one.
        expect(readChangeList(images, diffId)).toEqual(JSON.parse(JSON.stringify(changes)));
        expect(JSON.parse(JSON.stringify(changes)).length).toBe(changes.length);
      }),
      { seed: 20260104, numRuns: 40 },
    );
  });

  it("that is not there is undefined, and one without changes is empty", () => {
    const images = scratchDirectory();
    expect(readChangeList(images, diffId)).toBeUndefined();
    write(images, []);
    expect(readChangeList(images, diffId)).toEqual([]);
    expect(readChangeList(images, digestOf("another layer"))).toBeUndefined();
  });

  it("that is damaged counts as not there for who can write it anew", () => {
    const images = scratchDirectory();
    expect(readWholeChangeList(images, diffId)).toBeUndefined();
    const path = written(images);
    expect(readWholeChangeList(images, diffId)).toHaveLength(2);
    truncateSync(path, 40);
    expect(readWholeChangeList(images, diffId)).toBeUndefined();
  });

  it("is closed to other users", () => {
    expect(statSync(written(scratchDirectory())).mode & 0o777).toBe(0o600);
  });

  it("is refused after any change of one byte", () => {
    const images = scratchDirectory();
    const path = written(images);
    const whole = readFileSync(path);
    for (let at = 0; at < whole.length; at++) {
      const changed = Buffer.from(whole);
      changed[at] = (changed[at] ?? 0) ^ 1;
      writeFileSync(path, changed);
      expect(() => readChangeList(images, diffId)).toThrow(damaged);
    }
  });

  it("is refused when it was cut off anywhere, or has more behind it", () => {
    const images = scratchDirectory();
    const path = written(images);
    const whole = readFileSync(path);
    for (let length = whole.length - 1; length >= 0; length--) {
      truncateSync(path, length);
      expect(() => readChangeList(images, diffId)).toThrow(damaged);
    }
    for (const more of ['{"kind":"whiteout","path":"c"}\n', "half of a li", "\n", "\0"]) {
      writeFileSync(path, Buffer.concat([whole, Buffer.from(more)]));
      expect(() => readChangeList(images, diffId)).toThrow(damaged);
    }
  });

  it("of another version is refused", () => {
    const images = scratchDirectory();
    const path = written(images);
    writeFileSync(path, readFileSync(path, "utf8").replace("keelson-layer 1", "keelson-layer 2"));
    expect(() => readChangeList(images, diffId)).toThrow(damaged);
  });

  it("survives what a crash left beside it", () => {
    const images = scratchDirectory();
    mkdirSync(join(images, "layers"));
    const path = written(images);
    writeFileSync(join(images, "layers", `.${path.split("/").at(-1)}.keelson-new`), "half of a li");
    expect(readChangeList(images, diffId)).toHaveLength(2);
    write(images, []);
    expect(readdirSync(join(images, "layers"))).toHaveLength(1);
  });
});

describe("a change list that grows in a file", () => {
  it("is read as often as wanted, and then is that of its layer", () => {
    const scratch = scratchDirectory();
    const name = "n".repeat(3000);
    const changes = Array.from({ length: 500 }, (_, index): LayerChange => {
      return index === 250
        ? { kind: "whiteout", path: "gone" }
        : { kind: "hardlink", path: `${index}${name}`, target: "t" };
    });
    const list = openListWriter(join(scratch, "list"));
    for (const change of changes) list.add(change);
    const made = list.finish();
    expect(made).toEqual({ path: join(scratch, "list"), length: 500, removes: true });
    const layer = readNewList(made);
    expect([[...layer], [...layer]]).toEqual([changes, changes]);
    writeAllDurably([listFile(join(scratch, "images"), diffId, made)]);
    expect(readChangeList(join(scratch, "images"), diffId)).toEqual(changes);
    expect(existsSync(made.path)).toBe(false);
  });

  it("may be empty, and says that it removes nothing", () => {
    const made = openListWriter(join(scratchDirectory(), "list")).finish();
    expect([made.removes, [...readNewList(made)]]).toEqual([false, []]);
  });

  it("is closed once, however it ends", () => {
    const list = openListWriter(join(scratchDirectory(), "list"));
    list.finish();
    expect(() => [list.abandon(), list.abandon()]).not.toThrow();
  });
});
