import { spawn } from "node:child_process";
import { accessSync, constants, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { text } from "node:stream/consumers";
import { KeelsonError } from "../errors.ts";
import { judgeStatus } from "../trust/gpg-status.ts";
import type { Judged } from "../trust/judged.ts";
import type { Keyring } from "../trust/keyring.ts";

const programs = ["/usr/bin/gpgv", "/usr/local/bin/gpgv", "/bin/gpgv"];
const timeout = 60_000;
const payloadLimit = 4 * 1024 * 1024;

/** What a message says, once it is known to be signed by a key of the keyring. */
export type Opened = Judged & { readonly payload?: Buffer };

/**
 * Has the host's gpgv check an OpenPGP message against the keyring and no other key. What it gives is the very text that
 * was checked. Throws E_POLICY when there is no gpgv.
 */
export async function openMessage(message: Uint8Array, keyring: Keyring): Promise<Opened> {
  const home = mkdtempSync(join(tmpdir(), "keelson-gpgv-"));
  try {
    const [keys, file] = [join(home, "keyring.gpg"), join(home, "message.gpg")];
    writeFileSync(keys, keyring.bytes);
    writeFileSync(file, message);
    const { status, payload } = await run(findProgram(), [
      "--homedir",
      home,
      "--keyring",
      keys,
      "--status-fd",
      "3",
      "--output",
      "-",
      file,
    ]);
    const judged = judgeStatus(status.split("\n"), keyring.fingerprints);
    if ("why" in judged) return judged;
    return payload === undefined ? { why: "its payload is too large" } : { ...judged, payload };
  } finally {
    rmSync(home, { recursive: true, force: true });
  }
}

function findProgram(): string {
  const path = programs.find((candidate) => {
    try {
      accessSync(candidate, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
  if (path !== undefined) return path;
  throw new KeelsonError("E_POLICY", "the policy wants an OpenPGP signature, and there is no gpgv to check one", {
    hint: "Install gpgv; it is in the package gpgv or gnupg2.",
  });
}

interface Said {
  readonly status: string;
  /** undefined when it is more than may be believed. */
  readonly payload: Buffer | undefined;
}

/** The exit status is not asked: what counts is said on the status file descriptor. */
async function run(program: string, argv: readonly string[]): Promise<Said> {
  const child = spawn(program, argv, {
    cwd: "/",
    env: { PATH: "/usr/bin:/bin", LANG: "C.UTF-8" },
    stdio: ["ignore", "pipe", "ignore", "pipe"],
    timeout,
    killSignal: "SIGKILL",
  });
  const [, output, , statusOutput] = child.stdio as readonly (Readable | null)[];
  if (output == null || statusOutput == null) throw new Error("gpgv was started without its output");
  const ended = new Promise<void>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", () => resolve());
  });
  const [status, payload] = await Promise.all([text(statusOutput), gathered(output), ended]);
  return { status, payload };
}

async function gathered(stream: Readable): Promise<Buffer | undefined> {
  const pieces: Buffer[] = [];
  let size = 0;
  for await (const piece of stream) {
    size += piece.length;
    if (size <= payloadLimit) pieces.push(piece);
  }
  return size > payloadLimit ? undefined : Buffer.concat(pieces);
}
