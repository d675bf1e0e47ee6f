import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll } from "vitest";
import { runProgram } from "./scratch.ts";

/** Keys of a GnuPG home of their own, which is gone when the tests of the file are over. */
export interface Gpg {
  /** For programs that sign with these keys. */
  readonly home: string;
  /** Makes a key; its fingerprint. */
  makeKey(email: string, expires?: string, ...options: readonly string[]): string;
  publicKey(fingerprint: string, ...options: readonly string[]): Buffer;
  /** A signed message that holds `text`. */
  sign(fingerprint: string | readonly string[], text: string, ...options: readonly string[]): Buffer;
}

export function openGpg(): Gpg {
  // Short: the agent's socket is in it.
  const home = mkdtempSync(join(tmpdir(), "kg-"));
  const gpg = (...args: readonly string[]): string =>
    runProgram("gpg", ["--homedir", home, "--batch", "--yes", "--quiet", "--no-tty", ...args]);
  afterAll(() => {
    runProgram("gpgconf", ["--homedir", home, "--kill", "all"]);
    rmSync(home, { recursive: true, force: true });
  });
  return {
    home,
    makeKey(email, expires = "never", ...options) {
      gpg(...options, "--passphrase", "", "--quick-generate-key", email, "ed25519", "sign", expires);
      const listed = gpg("--with-colons", "--list-keys", `=${email}`);
      return /^fpr:+([0-9A-F]+):/m.exec(listed)?.[1] ?? "";
    },
    publicKey(fingerprint, ...options) {
      gpg("--output", join(home, "out"), ...options, "--export", fingerprint);
      return readFileSync(join(home, "out"));
    },
    sign(fingerprint, text, ...options) {
      writeFileSync(join(home, "in"), text);
      const users = [fingerprint].flat().flatMap((user) => ["--local-user", user]);
      gpg(...users, "--output", join(home, "out"), ...options, "--sign", join(home, "in"));
      return readFileSync(join(home, "out"));
    },
  };
}
