import { readFile } from "node:fs/promises";
import { errnoOf, KeelsonError, printable } from "../errors.ts";
import { isObject } from "../image/json.ts";

/** Never to be printed. */
export interface Credentials {
  readonly user: string;
  readonly password: string;
}

/**
 * What the first of `files` that knows the repository holds for it: a key for the repository or one of its parents, the
 * longest first, then one for the host. Absent files are skipped. Throws E_AUTH for a file that cannot be read.
 * https://github.com/containers/image/blob/main/docs/containers-auth.json.5.md
 */
export async function findCredentials(
  files: readonly string[],
  host: string,
  repository: string,
): Promise<Credentials | undefined> {
  for (const file of files) {
    const entries = await readEntries(file);
    const parts = [hostKey(host), ...repository.split("/").filter((part) => part !== "")];
    for (let length = parts.length; length > 0; length--) {
      const found = entries.get(parts.slice(0, length).join("/"));
      if (found !== undefined) return found;
    }
  }
  return undefined;
}

async function readEntries(file: string): Promise<ReadonlyMap<string, Credentials>> {
  let document: unknown;
  try {
    document = JSON.parse(await readFile(file, "utf8"));
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === "ENOENT" || errno === "ENOTDIR") return new Map();
    // The parser's own message would quote the file, and with it a password.
    throw unusable(file, errno === undefined ? "it is not JSON" : `it cannot be read (${errno})`);
  }
  if (!isObject(document)) throw unusable(file, "it is not a JSON object");
  const entries = new Map<string, Credentials>();
  for (const [key, entry] of Object.entries(isObject(document.auths) ? document.auths : {})) {
    const credentials = isObject(entry) ? decoded(entry.auth) : undefined;
    // A key of the present form wins over an older spelling of the same registry.
    const name = entryKey(key);
    if (credentials !== undefined && (name === key || !entries.has(name))) entries.set(name, credentials);
  }
  return entries;
}

function decoded(auth: unknown): Credentials | undefined {
  if (typeof auth !== "string") return undefined;
  const text = Buffer.from(auth, "base64").toString("utf8").replace(/\0+$/, "");
  const colon = text.indexOf(":");
  return colon < 0 ? undefined : { user: text.slice(0, colon), password: text.slice(colon + 1) };
}

/** `https://host/v1/`, as docker writes it, and `host/namespace/repository` in one form. */
function entryKey(key: string): string {
  const legacy = /^https?:\/\/([^/]+)(?:\/.*)?$/.exec(key);
  if (legacy) return hostKey(legacy[1] ?? "");
  const [host = "", ...path] = key.replace(/\/+$/, "").split("/");
  return [hostKey(host), ...path].join("/");
}

function hostKey(host: string): string {
  return host === "index.docker.io" || host === "registry-1.docker.io" ? "docker.io" : host.toLowerCase();
}

function unusable(file: string, why: string): KeelsonError {
  return new KeelsonError("E_AUTH", `the credentials in ${printable(file)} cannot be used: ${why}`, {
    hint: "Repair the file, or remove it and log in to the registry again.",
  });
}
