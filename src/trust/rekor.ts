import { createHash, type KeyObject, verify } from "node:crypto";
import { isObject, type JsonObject } from "../image/json.ts";
import { parseStrictJson } from "../image/strict-json.ts";
import { fieldsOf } from "./fields.ts";
import { derOf } from "./pem.ts";

/** What an entry of the log has to be about. */
export interface LoggedSignature {
  readonly signature: Uint8Array;
  readonly payload: Uint8Array;
  /** The key or certificate that made it, DER. */
  readonly signer: Uint8Array;
}

/**
 * When the transparency log took a signature in, by the promise that cosign keeps with it: signed by one of the log's keys, and
 * about this signature, payload and signer. Throws a SyntaxError, TypeError or FormatProblem that says what is wrong.
 * https://github.com/sigstore/cosign/blob/main/specs/SIGNATURE_SPEC.md
 */
export function loggedAt(bundle: string, keys: readonly KeyObject[], logged: LoggedSignature): Date {
  const { values } = fieldsOf(parseStrictJson(Buffer.from(bundle)), "the bundle", ["SignedEntryTimestamp", "Payload"]);
  const known = ["body", "integratedTime", "logIndex", "logID"];
  const payload = Object.fromEntries(fieldsOf(values.get("Payload"), "its Payload", known).values);
  const promise = Buffer.from(String(values.get("SignedEntryTimestamp")), "base64");
  const { body, integratedTime } = payload;
  if (typeof body !== "string" || !Number.isSafeInteger(integratedTime))
    throw new SyntaxError("its Payload has no body or integratedTime");
  const canonical = Buffer.from(canonicalJson(payload));
  if (!keys.some((key) => verify("sha256", canonical, key, promise)))
    throw new SyntaxError("the log's promise is not signed by the policy's Rekor key");
  checkEntry(parseStrictJson(Buffer.from(body, "base64")), logged);
  return new Date(Number(integratedTime) * 1000);
}

/** https://github.com/sigstore/rekor/blob/main/pkg/types/hashedrekord/v0.0.1/hashedrekord_v0_0_1_schema.json */
function checkEntry(entry: unknown, { signature, payload, signer }: LoggedSignature): void {
  if (!isObject(entry) || entry.kind !== "hashedrekord" || entry.apiVersion !== "0.0.1")
    throw new SyntaxError("the log's entry is not a hashedrekord 0.0.1");
  const spec: JsonObject = isObject(entry.spec) ? entry.spec : {};
  const hash: unknown = spec.data?.hash;
  const written: unknown = spec.signature?.content;
  const key: unknown = spec.signature?.publicKey?.content;
  const digest = createHash("sha256").update(payload).digest("hex");
  if (!isObject(hash) || hash.algorithm !== "sha256" || String(hash.value).toLowerCase() !== digest)
    throw new SyntaxError("the log's entry is for another payload");
  if (!Buffer.from(String(written), "base64").equals(signature))
    throw new SyntaxError("the log's entry is for another signature");
  const [der, ...more] = derOf(Buffer.from(String(key), "base64").toString("latin1"));
  if (der === undefined || more.length > 0 || !der.equals(signer))
    throw new SyntaxError("the log's entry is for another key");
}

/** RFC 8785 for what a log's payload holds: an object of texts and whole numbers, whose names are ASCII. */
function canonicalJson(payload: JsonObject): string {
  const members = Object.keys(payload).sort();
  return `{${members.map((key) => `${JSON.stringify(key)}:${JSON.stringify(payload[key])}`).join(",")}}`;
}
