import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { expect, it } from "vitest";
import { KeelsonError } from "../../src/errors.ts";
import { parseChanges } from "../../src/store/change-list.ts";
import { openRepository } from "../../src/store/repository.ts";
import { unpack } from "../../src/store/unpack.ts";
import { startUnpackThread, type UnpackThread } from "../../src/store/unpack-thread.ts";
import { runProgram, scratchDirectory } from "../bed/scratch.ts";
import { tarArchive, tarEntry } from "../bed/tar-writer.ts";

const limits = { entries: 1_000_000, bytes: 2 ** 34 };

async function* whole(bytes: Buffer): AsyncGenerator<Buffer> {
  yield bytes;
}

/** The bytes in the thread's own memory, `step` at a time, one slab after the other. */
async function* slabbed(bytes: Buffer, take: () => Buffer | Promise<Buffer>): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; ) {
    const slab = await take();
    const length = bytes.copy(slab, 0, at);
    yield slab.subarray(0, length);
    at += length;
  }
}

async function withThread<T>(repository: string, use: (thread: UnpackThread) => Promise<T>): Promise<T> {
  const thread = startUnpackThread(repository, undefined, limits);
  try {
    return await use(thread);
  } finally {
    thread.stop();
  }
}

/** Many small files, and one that is larger than all slabs together. */
function makeArchive(): Buffer {
  const file = (name: string, size: number): Buffer => tarEntry({ name }, randomBytes(size).toString("latin1"));
  const small = Array.from({ length: 300 }, (_, index) => file(`small-${index}`, index * 997));
  const link = tarEntry({ name: "link", type: "2", linkTarget: "large" });
  const hard = tarEntry({ name: "hard", type: "1", linkTarget: "small-7" });
  return tarArchive(...small, file("large", 9_000_000), link, hard);
}

it("a thread unpacks as unpack does, from its own memory or any other, several layers at once", async () => {
  const directory = scratchDirectory();
  const archive = makeArchive();
  const mine = openRepository(join(directory, "mine"));
  const expected = await unpack(whole(archive), mine, limits);
  const theirs = openRepository(join(directory, "theirs"));
  const lists = await withThread(theirs.path, async (thread) => {
    const [one, other, third] = [thread.open(), thread.open(), thread.open()];
    const small = tarArchive(tarEntry({ name: "small" }, "content"));
    return Promise.all([
      one.unpack(slabbed(archive, one.take)),
      other.unpack(whole(archive)),
      third.unpack(slabbed(small, third.take)),
    ]);
  });
  expect(lists.slice(0, 2).map(parseChanges)).toEqual([expected, expected]);
  expect(parseChanges(lists[2] ?? Buffer.alloc(0))).toMatchObject([{ kind: "file", path: "small" }]);
  for (const list of lists)
    for (const change of parseChanges(list)) if ("object" in change) theirs.adopt(change.object);
  theirs.publish();
  mine.publish();
  const find = (root: string): string =>
    runProgram("sh", ["-c", "find . -type f -o -type l | sort | xargs -d '\\n' stat -c '%n %s %a %u:%g %Y'"], {
      cwd: join(root, "objects"),
    });
  const ours = find(mine.path).split("\n");
  expect(find(theirs.path).split("\n")).toEqual(expect.arrayContaining(ours));
  expect(ours.length).toBeGreaterThan(300);
});

it("layers that fail say why, and the others go on", async () => {
  const { path } = openRepository(join(scratchDirectory(), "repo"));
  const good = tarArchive(tarEntry({ name: "good" }, "content"));
  const bad = tarArchive(tarEntry({ name: "../bad" }, "content"));
  await withThread(path, async (thread) => {
    const broken = async function* (): AsyncGenerator<Buffer> {
      yield good.subarray(0, 512);
      throw new Error("the wire broke");
    };
    // More of each than there are slabs: what is given up comes back.
    for (let round = 0; round < 20; round++) {
      await expect(thread.open().unpack(whole(bad))).rejects.toMatchObject({ code: "E_LAYER" });
      await expect(thread.open().unpack(broken())).rejects.toThrow("the wire broke");
      const layer = thread.open();
      const list = await layer.unpack(slabbed(good, layer.take));
      expect(parseChanges(list)).toMatchObject([{ kind: "file", path: "good" }]);
    }
    const error: unknown = await thread
      .open()
      .unpack(whole(bad))
      .catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(KeelsonError);
    expect((error as KeelsonError).hint).not.toBe("");
  });
});
