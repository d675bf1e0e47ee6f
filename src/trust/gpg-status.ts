import type { Judged } from "./judged.ts";

const trouble: Readonly<Record<string, string>> = {
  BADSIG: "the payload was changed after it was signed",
  EXPSIG: "the signature has expired",
  EXPKEYSIG: "the key has expired",
  REVKEYSIG: "the key has been revoked",
  NO_PUBKEY: "it is signed by a key that is not one of the policy's",
  ERRSIG: "its signature cannot be checked",
  NODATA: "it is not an OpenPGP message with a signature",
  FAILURE: "gpgv could not check it",
};

/**
 * What gpgv says on --status-fd about a message: the fingerprint of the primary key that signed it, or what is wrong.
 * Only one good signature over one text counts. https://github.com/gpg/gnupg/blob/master/doc/DETAILS
 */
export function judgeStatus(lines: readonly string[], fingerprints: readonly string[]): Judged {
  const said = lines.flatMap((line) => (line.startsWith("[GNUPG:] ") ? [line.slice(9).split(" ")] : []));
  const count = (word: string): number => said.filter(([first]) => first === word).length;
  for (const [word, why] of Object.entries(trouble)) {
    if (count(word) > 0) return { why: word === "NO_PUBKEY" ? `${why} (${signer(said)})` : why };
  }
  if (["NEWSIG", "GOODSIG", "VALIDSIG", "PLAINTEXT"].some((word) => count(word) !== 1))
    return { why: "it is not one signature over one text" };
  const fingerprint = said.find(([first]) => first === "VALIDSIG")?.at(10) ?? "";
  if (fingerprints.includes(fingerprint)) return { by: fingerprint };
  return { why: `it is signed by a key that is not one of the policy's (${fingerprint})` };
}

function signer(said: readonly (readonly string[])[]): string {
  const long = said.find(([first]) => first === "ERRSIG")?.at(7);
  return long !== undefined && long !== "-"
    ? long
    : (said.find(([first]) => first === "NO_PUBKEY")?.at(1) ?? "unknown");
}
