import { isObject } from "../image/json.ts";

/** A signature of an image as it was found; nothing in it has been checked. */
export type ImageSignature =
  | { readonly kind: "openpgp"; readonly bytes: Uint8Array }
  | {
      readonly kind: "sigstore";
      readonly payload: Uint8Array;
      readonly annotations: Readonly<Record<string, string>>;
    };

/** The media type of what cosign signs. */
export const cosignType = "application/vnd.dev.cosign.simplesigning.v1+json";

const openPgpTags = new Set([2, 4, 8]);

/**
 * Reads a `signature-N` file: an OpenPGP message, or what skopeo writes for other signatures, a zero byte, the format's name
 * and a line feed before them. undefined for what is no signature of an image: another attachment. Throws a SyntaxError for
 * what is nothing that is known. https://github.com/containers/image/blob/main/docs/containers-signature.5.md
 */
export function parseSignatureFile(bytes: Uint8Array): ImageSignature | undefined {
  const [first = 0] = bytes;
  if (bytes.length > 0 && first !== 0) {
    const tag = first & 0x40 ? first & 0x3f : (first & 0x3c) >> 2;
    if (first & 0x80 && openPgpTags.has(tag)) return { kind: "openpgp", bytes };
    throw new SyntaxError("it is not an OpenPGP message");
  }
  const end = bytes.indexOf(0x0a);
  const format = Buffer.from(bytes.subarray(1, Math.max(end, 1))).toString("latin1");
  const rest = bytes.subarray(end + 1);
  if (end > 0 && format === "simple-signing") return { kind: "openpgp", bytes: rest };
  if (end > 0 && format === "sigstore-json") return parseSigstoreJson(rest);
  throw new SyntaxError("its format is not known");
}

/** The inverse of parseSignatureFile. */
export function formatSignatureFile(signature: ImageSignature): Buffer {
  if (signature.kind === "openpgp") return Buffer.from(signature.bytes);
  const payload = Buffer.from(signature.payload).toString("base64");
  const text = JSON.stringify({ mimeType: cosignType, payload, annotations: signature.annotations });
  return Buffer.from(`\0sigstore-json\n${text}`);
}

function parseSigstoreJson(bytes: Uint8Array): ImageSignature | undefined {
  const document: unknown = JSON.parse(Buffer.from(bytes).toString("utf8"));
  if (!isObject(document) || typeof document.payload !== "string" || !isObject(document.annotations ?? {}))
    throw new SyntaxError("it does not have a payload and annotations");
  if (document.mimeType !== cosignType) return undefined;
  const texts = Object.entries(document.annotations ?? {}).filter(
    (entry): entry is [string, string] => typeof entry[1] === "string",
  );
  return {
    kind: "sigstore",
    payload: Buffer.from(document.payload, "base64"),
    annotations: Object.fromEntries(texts),
  };
}
