import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { expect, it } from "vitest";
import { KeelsonError } from "../../src/errors.ts";
import { digestOf } from "../../src/image/digest.ts";
import { readNewList } from "../../src/store/change-list.ts";
import { type LayerThreads, startLayerThreads } from "../../src/store/layer-threads.ts";
import { openRepository } from "../../src/store/repository.ts";
import { unpack } from "../../src/store/unpack.ts";
import { runProgram, scratchDirectory } from "../bed/scratch.ts";
import { tarArchive, tarEntry } from "../bed/tar-writer.ts";

const limits = { entries: 1_000_000, bytes: 2 ** 34 };

async function* whole(bytes: Buffer): AsyncGenerator<Buffer> {
  yield bytes;
}

/** The bytes in the threads' own memory, one slab after the other. */
async function* slabbed(bytes: Buffer, take: () => Buffer | Promise<Buffer>): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; ) {
    const slab = await take();
    const length = bytes.copy(slab, 0, at);
    yield slab.subarray(0, length);
    at += length;
  }
}

async function withThreads<T>(repository: string, use: (threads: LayerThreads) => Promise<T>): Promise<T> {
  const threads = startLayerThreads(repository, undefined, limits);
  try {
    return await use(threads);
  } finally {
    threads.stop();
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

it("threads unpack as unpack does, from their own memory or any other, several layers at once", async () => {
  const directory = scratchDirectory();
  const archive = makeArchive();
  const mine = openRepository(join(directory, "mine"));
  const expected = [...readNewList(await unpack(whole(archive), mine, limits))];
  const theirs = openRepository(join(directory, "theirs"));
  const lists = await withThreads(theirs.path, async (threads) => {
    const [one, other, third] = [threads.open(), threads.open(), threads.open()];
    const small = tarArchive(tarEntry({ name: "small" }, "content"));
    return Promise.all([
      one.unpack(slabbed(archive, one.take)),
      other.unpack(whole(archive)),
      third.unpack(slabbed(small, third.take)),
    ]);
  });
  expect(lists.slice(0, 2).map((list) => [...readNewList(list)])).toEqual([expected, expected]);
  expect(lists.slice(2).flatMap((list) => [...readNewList(list)])).toMatchObject([{ kind: "file", path: "small" }]);
  for (const list of lists) for (const change of readNewList(list)) if ("object" in change) theirs.adopt(change.object);
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
  await withThreads(path, async (threads) => {
    const broken = async function* (): AsyncGenerator<Buffer> {
      yield good.subarray(0, 512);
      throw new Error("the wire broke");
    };
    // More of each than there are slabs: what is given up comes back.
    for (let round = 0; round < 20; round++) {
      await expect(threads.open().unpack(whole(bad))).rejects.toMatchObject({ code: "E_LAYER" });
      await expect(threads.open().unpack(broken())).rejects.toThrow("the wire broke");
      const layer = threads.open();
      const list = await layer.unpack(slabbed(good, layer.take));
      expect([...readNewList(list)]).toMatchObject([{ kind: "file", path: "good" }]);
    }
    const error: unknown = await threads
      .open()
      .unpack(whole(bad))
      .catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(KeelsonError);
    expect((error as KeelsonError).hint).not.toBe("");
  });
});

it("a stream that asks for its digest gets that of all its pieces, though others pass between", async () => {
  const { path } = openRepository(join(scratchDirectory(), "repo"));
  const archives = [makeArchive(), tarArchive(tarEntry({ name: "small" }, "content"))];
  await withThreads(path, async (threads) => {
    const digests = archives.map(async (archive, index) => {
      const layer = threads.open();
      let digest = "";
      const stream = async function* (): AsyncGenerator<Buffer> {
        yield* index === 0 ? slabbed(archive, layer.take) : whole(archive);
        digest = await layer.digest();
      };
      await layer.unpack(stream());
      return digest;
    });
    expect(await Promise.all(digests)).toEqual(archives.map(digestOf));
  });
});

it("a layer that cannot be unpacked does not leave who asks for its digest waiting", async () => {
  const { path } = openRepository(join(scratchDirectory(), "repo"));
  await withThreads(path, async (threads) => {
    const layer = threads.open();
    const stream = async function* (): AsyncGenerator<Buffer> {
      yield tarArchive(tarEntry({ name: "../bad" }, "content"));
      await layer.digest();
    };
    await expect(layer.unpack(stream())).rejects.toMatchObject({ code: "E_LAYER" });
  });
});
