import { createHash } from "node:crypto";

/** OpenPGP public keys as gpgv reads them, and the fingerprints of the primary ones, in upper-case hex characters. */
export interface Keyring {
  readonly bytes: Uint8Array;
  readonly fingerprints: readonly string[];
}

/** Joins keyrings, each binary or in ASCII armor. Throws a SyntaxError for what holds no public key. */
export function readKeyring(files: readonly Uint8Array[]): Keyring {
  const bytes = Buffer.concat(files.map(dearmored));
  return { bytes, fingerprints: files.flatMap((file) => fingerprintsOf(dearmored(file))) };
}

/**
 * https://www.rfc-editor.org/rfc/rfc9580#name-forming-ascii-armor; several blocks in one file are joined, checksums left alone.
 */
function dearmored(bytes: Uint8Array): Buffer {
  const all = Buffer.from(bytes);
  if (((all[0] ?? 0) & 0x80) !== 0) return all;
  const blocks = [
    ...all
      .toString("latin1")
      .matchAll(/-----BEGIN PGP PUBLIC KEY BLOCK-----\r?\n((?:[^\r\n]+\r?\n)*?)[ \t]*\r?\n([\s\S]*?)-----END PGP/g),
  ];
  if (blocks.length === 0) throw new SyntaxError("it is neither a binary nor an armored OpenPGP keyring");
  return Buffer.concat(
    blocks.map(([, , body = ""]) => {
      const lines = body.split(/\r?\n/).filter((line) => !line.startsWith("="));
      return Buffer.from(lines.join(""), "base64");
    }),
  );
}

const publicKeyTag = 6;

/** https://www.rfc-editor.org/rfc/rfc9580#name-key-ids-and-fingerprints */
function fingerprintsOf(bytes: Buffer): readonly string[] {
  const found: string[] = [];
  for (const { tag, body } of packetsOf(bytes)) {
    if (tag !== publicKeyTag || body[0] !== 4) continue;
    const length = Buffer.alloc(2);
    length.writeUInt16BE(body.length);
    const hash = createHash("sha1")
      .update(Buffer.from([0x99]))
      .update(length)
      .update(body);
    found.push(hash.digest("hex").toUpperCase());
  }
  if (found.length === 0) throw new SyntaxError("it holds no public key");
  return found;
}

interface Packet {
  readonly tag: number;
  readonly body: Buffer;
}

/** https://www.rfc-editor.org/rfc/rfc9580#name-packet-syntax; keys have neither partial nor indeterminate lengths. */
function* packetsOf(bytes: Buffer): Generator<Packet> {
  let at = 0;
  while (at < bytes.length) {
    const first = bytes.readUInt8(at);
    if ((first & 0x80) === 0) throw new SyntaxError("it is not a sequence of OpenPGP packets");
    const [size, start] = first & 0x40 ? newLength(bytes, at + 1) : oldLength(bytes, at + 1, first & 3);
    if (start + size > bytes.length) throw new SyntaxError("it ends inside an OpenPGP packet");
    yield { tag: first & 0x40 ? first & 0x3f : (first & 0x3c) >> 2, body: bytes.subarray(start, start + size) };
    at = start + size;
  }
}

/** The length of a packet's body, and where that begins. */
function newLength(bytes: Buffer, at: number): readonly [number, number] {
  const first = bytes[at] ?? 0;
  if (first < 192) return [first, at + 1];
  if (first < 224) return [((first - 192) << 8) + (bytes[at + 1] ?? 0) + 192, at + 2];
  if (first === 255 && at + 5 <= bytes.length) return [bytes.readUInt32BE(at + 1), at + 5];
  throw new SyntaxError("it has an OpenPGP packet of partial length");
}

function oldLength(bytes: Buffer, at: number, type: number): readonly [number, number] {
  const width = 2 ** type;
  if (type === 3 || at + width > bytes.length) throw new SyntaxError("it has an OpenPGP packet of unknown length");
  return [bytes.readUIntBE(at, width), at + width];
}
