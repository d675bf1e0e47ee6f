import { KeelsonError } from "../../src/errors.ts";
import { hostPlatform } from "../../src/image/platform.ts";
import { parseReference } from "../../src/image/reference.ts";
import type { Verified } from "../../src/image/verified.ts";
import { openSource } from "../../src/source/open.ts";
import { judge } from "../../src/source/trust.ts";
import type { TrustPlaces } from "../../src/source/trust-files.ts";
import { testOptions } from "./pull.ts";

/** Who keelson finds an image signed by, "" for one that needs no signature, or why it is refused. */
export function signerOf(verdict: Verified | string): string {
  if (typeof verdict === "string") return verdict;
  return verdict.kind === "signed" ? verdict.by.join(" ") : "";
}

/** What keelson says of the reference: its verdict, or the error's message. */
export async function judged(reference: string, places: TrustPlaces): Promise<Verified | string> {
  const parsed = parseReference(reference);
  const source = openSource(parsed, testOptions);
  try {
    const resolved = await source.resolve(hostPlatform(process.arch));
    return await judge({ reference: parsed, digest: resolved.digest, tlsVerify: false, source }, places, testOptions);
  } catch (error) {
    if (error instanceof KeelsonError && error.code === "E_POLICY") return error.message;
    throw error;
  } finally {
    await source.close();
  }
}
