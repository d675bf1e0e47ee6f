import { randomUUID } from "node:crypto";
import { type FileHandle, mkdir, open, rename, rm, rmdir, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { errnoOf } from "../errors.ts";

/** Files that are being written: a directory, or the members of an archive. */
export interface FileSink {
  has(path: string, size: number): Promise<boolean>;
  /** Writes a file of `size` bytes whole, in place of what has that path. */
  put(path: string, size: number, content: AsyncIterable<Uint8Array>): Promise<void>;
  commit(): Promise<void>;
  /** Takes away what was written, unless it was committed. */
  close(): Promise<void>;
}

const blockSize = 512;

/** One piece of content. */
export async function* pieceOf(bytes: Uint8Array | string): AsyncGenerator<Uint8Array> {
  yield typeof bytes === "string" ? Buffer.from(bytes) : bytes;
}

/** A directory, made when it is not there. Each file is written beside its place, synced and renamed. */
export function openDirectorySink(root: string): FileSink {
  const made: string[] = [];
  const files: string[] = [];
  let done = false;
  return {
    has: async (path, size) => (await sizeOf(join(root, path))) === size,
    put: async (path, _size, content) => {
      const target = join(root, path);
      await makeDirectories(dirname(target), made);
      const beside = join(dirname(target), `.${randomUUID()}.keelson-new`);
      try {
        await writeWhole(beside, content);
        const isNew = (await sizeOf(target)) === undefined;
        await rename(beside, target);
        if (isNew) files.push(target);
      } catch (error) {
        await rm(beside, { force: true });
        throw error;
      }
    },
    commit: async () => {
      for (const directory of new Set(files.map(dirname))) await syncDirectory(directory);
      done = true;
    },
    close: async () => {
      if (done) return;
      for (const file of files.splice(0)) await rm(file, { force: true });
      for (const directory of made.splice(0).reverse()) await rmdir(directory).catch(() => undefined);
    },
  };
}

/** A tar file of regular files, all of root, mode 0644 and time 0, so that the same files make the same bytes. */
export async function openTarSink(file: string): Promise<FileSink> {
  const beside = join(dirname(file), `.${randomUUID()}.keelson-new`);
  const handle = await open(beside, "wx", 0o644);
  const writer = openTarWriter(handle);
  let done = false;
  return {
    ...writer,
    commit: async () => {
      await writer.end();
      await handle.sync();
      await rename(beside, file);
      done = true;
      await syncDirectory(dirname(file));
    },
    close: async () => {
      await handle.close();
      if (!done) await rm(beside, { force: true });
    },
  };
}

/** Members that are appended to an open file; `end` writes the archive's end. */
export function openTarWriter(handle: FileHandle): Pick<FileSink, "has" | "put"> & { end(): Promise<void> } {
  const members = new Set<string>();
  return {
    has: async (path) => members.has(path),
    put: async (path, size, content) => {
      if (members.has(path)) return;
      await handle.appendFile(memberHeader(path, size));
      for await (const piece of content) await handle.appendFile(piece);
      await handle.appendFile(Buffer.alloc((blockSize - (size % blockSize)) % blockSize));
      members.add(path);
    },
    end: () => handle.appendFile(Buffer.alloc(2 * blockSize)),
  };
}

/** https://pubs.opengroup.org/onlinepubs/9699919799/utilities/pax.html#tag_20_92_13_06; paths are short ASCII. */
function memberHeader(path: string, size: number): Buffer {
  const block = Buffer.alloc(blockSize);
  block.write(path, 0, 100, "latin1");
  block.write("0000644\0" + "0000000\0" + "0000000\0", 100, "latin1");
  // Twelve octal digits hold 8 GiB; beyond that the number itself, as every tar reads it.
  if (size < 8 ** 11) block.write(`${size.toString(8).padStart(11, "0")}\0`, 124, "latin1");
  else block.writeUInt8(0x80, 124);
  if (size >= 8 ** 11) block.writeBigUInt64BE(BigInt(size), 128);
  block.write("00000000000\0", 136, "latin1");
  block.fill(" ", 148, 156);
  block.write("0", 156, "latin1");
  block.write("ustar\x0000", 257, "latin1");
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
  return block;
}

async function writeWhole(path: string, content: AsyncIterable<Uint8Array>): Promise<void> {
  const handle: FileHandle = await open(path, "wx", 0o644);
  try {
    for await (const piece of content) await handle.appendFile(piece);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function makeDirectories(path: string, made: string[]): Promise<void> {
  const first = await mkdir(path, { recursive: true });
  if (first === undefined) return;
  for (let at = path; at.length >= first.length; at = dirname(at)) made.splice(made.length, 0, at);
  made.sort((a, b) => a.length - b.length);
}

async function sizeOf(path: string): Promise<number | undefined> {
  try {
    const found = await stat(path);
    return found.isFile() ? found.size : undefined;
  } catch (error) {
    if (errnoOf(error) === "ENOENT" || errnoOf(error) === "ENOTDIR") return undefined;
    throw error;
  }
}

async function syncDirectory(path: string): Promise<void> {
  const handle = await open(path, "r");
  await handle.sync().finally(() => handle.close());
}
