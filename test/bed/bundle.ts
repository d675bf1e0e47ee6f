import { readFile, writeFile } from "node:fs/promises";
import { digestOf } from "../../src/image/digest.ts";
import { tarArchive, tarEntry } from "./tar-writer.ts";

interface Row {
  mediaType: string;
  digest: string;
  size: number;
  annotations: Record<string, string>;
}

// biome-ignore lint/suspicious/noExplicitAny: documents are taken apart as a forger would
type Document = any;

/** A bundle that is going to be tampered with. */
export interface OpenBundle {
  readonly path: string;
  /** The manifest of the image of that name. */
  image(name: string): Document;
  /** The layers of the attachment of the image of that digest. */
  signatures(digest: string): Document;
  /** Changes one byte of a blob. */
  flip(digest: string, at: number): void;
  /** Changes a byte of the first signature, and every digest on the way to it. */
  resign(digest: string): void;
  /** Attaches to one image what is attached to another. */
  swap(digest: string, other: string): void;
  /** Takes away what is attached to an image. */
  drop(digest: string): void;
  /** Gives an image the name of another. */
  rename(from: string, to: string): void;
  write(): Promise<void>;
}

const nameKey = "org.opencontainers.image.ref.name";
const tagOf = (digest: string): string => `${digest.replace(":", "-")}.sig`;

/** Reads the bundle; what becomes of it is written to `path`. */
export async function openBundle(file: string, path: string): Promise<OpenBundle> {
  const members = readTar(await readFile(file));
  const blob = (digest: string): Buffer => members.get(`blobs/sha256/${digest.slice(7)}`) ?? Buffer.alloc(0);
  const index: { manifests: Row[] } = JSON.parse(String(members.get("index.json")));
  const row = (name: string): Row => {
    const found = index.manifests.find(({ annotations }) => annotations[nameKey] === name);
    if (found === undefined) throw new Error(`the bundle has no ${name}`);
    return found;
  };
  const manifest = (name: string): Document => JSON.parse(String(blob(row(name).digest)));
  const put = (bytes: Buffer): { digest: string; size: number } => {
    const digest = digestOf(bytes);
    members.set(`blobs/sha256/${digest.slice(7)}`, bytes);
    return { digest, size: bytes.length };
  };
  const without = (name: string): void => {
    index.manifests = index.manifests.filter((other) => other.annotations[nameKey] !== name);
  };
  return {
    path,
    image: manifest,
    signatures: (digest) => manifest(tagOf(digest)).layers,
    flip: (digest, at) => void blob(digest).writeUInt8(blob(digest).readUInt8(at) ^ 1, at),
    resign: (digest) => {
      const attached = manifest(tagOf(digest));
      const bytes = Buffer.from(blob(attached.layers[0].digest));
      bytes.writeUInt8(bytes.readUInt8(bytes.length - 10) ^ 1, bytes.length - 10);
      Object.assign(attached.layers[0], put(bytes));
      Object.assign(row(tagOf(digest)), put(Buffer.from(JSON.stringify(attached))));
    },
    swap: (digest, other) => {
      const { mediaType, digest: taken, size } = row(tagOf(other));
      Object.assign(row(tagOf(digest)), { mediaType, digest: taken, size });
    },
    drop: (digest) => without(tagOf(digest)),
    rename: (from, to) => {
      without(to);
      row(from).annotations[nameKey] = to;
    },
    write: () => {
      members.set("index.json", Buffer.from(JSON.stringify(index)));
      return writeFile(path, tarArchive(...[...members].map(([name, bytes]) => tarEntry({ name }, bytes))));
    },
  };
}

function readTar(bytes: Buffer): Map<string, Buffer> {
  const members = new Map<string, Buffer>();
  for (let at = 0; bytes[at] !== 0; ) {
    const name = bytes.toString("latin1", at, bytes.indexOf(0, at));
    const size = Number.parseInt(bytes.toString("latin1", at + 124, at + 135), 8);
    members.set(name, Buffer.from(bytes.subarray(at + 512, at + 512 + size)));
    at += 512 * (1 + Math.ceil(size / 512));
  }
  return members;
}
