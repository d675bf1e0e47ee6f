import { readFile } from "node:fs/promises";
import { errnoOf, KeelsonError, printable } from "../errors.ts";
import { isObject, type JsonObject } from "../image/json.ts";
import { askHelper, type Credentials, type HelperOptions } from "./credential-helper.ts";

/** Where credentials are looked for. */
export interface CredentialPlaces {
  /** `auth.json` or `config.json` files, the first that knows the repository wins; absent ones are skipped. */
  readonly files: readonly string[];
  /** The `credential-helpers` of registries.conf, `containers-auth.json` standing for the files. */
  readonly helpers?: readonly string[] | undefined;
  /** Without it no helper is run. */
  readonly running?: HelperOptions | undefined;
}

/**
 * What the places hold for a repository. In a file that is: what the helper named for its host gives, else a key for the
 * repository or one of its parents, the longest first, then one for the host, else what the file's `credsStore` gives. Throws
 * E_AUTH for a file that cannot be read and for a helper that fails.
 * https://github.com/containers/image/blob/main/docs/containers-auth.json.5.md
 */
export async function findCredentials(
  places: CredentialPlaces,
  host: string,
  repository: string,
): Promise<Credentials | undefined> {
  for (const place of places.helpers ?? [filesHelper]) {
    const found =
      place === filesHelper ? await inFiles(places, host, repository) : await fromHelper(place, host, places.running);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** `text` (of `file`, which may be absent) with these credentials under the key; all else in it stays. Throws E_AUTH. */
export function withLogin(text: string | undefined, file: string, key: string, credentials: Credentials): string {
  const document = parseAuthFile(text ?? "{}", file);
  const auth = Buffer.from(`${credentials.user}:${credentials.password}`).toString("base64");
  const { changed } = withoutKey(document, key);
  return formatAuthFile({ ...changed, auths: { ...changed.auths, [entryKey(key)]: { auth } } });
}

/** `text` without the credentials under the key; undefined when there are none. All else in it stays. Throws E_AUTH. */
export function withoutLogin(text: string, file: string, key: string): string | undefined {
  const { changed, removed } = withoutKey(parseAuthFile(text, file), key);
  return removed ? formatAuthFile(changed) : undefined;
}

function withoutKey(document: JsonObject, key: string): { readonly changed: JsonObject; readonly removed: boolean } {
  const entries = Object.entries(isObject(document.auths) ? document.auths : {});
  const others = entries.filter(([other]) => entryKey(other) !== entryKey(key));
  return { changed: { ...document, auths: Object.fromEntries(others) }, removed: others.length < entries.length };
}

function formatAuthFile(document: JsonObject): string {
  return `${JSON.stringify(document, undefined, "\t")}\n`;
}

interface AuthFile {
  readonly entries: ReadonlyMap<string, Credentials>;
  /** Names of helpers by host. */
  readonly helpers: ReadonlyMap<string, string>;
  /** The helper for every host. */
  readonly store: string | undefined;
}

const filesHelper = "containers-auth.json";

async function inFiles(places: CredentialPlaces, host: string, repository: string): Promise<Credentials | undefined> {
  for (const path of places.files) {
    const file = await readAuthFile(path);
    const helper = file?.helpers.get(hostKey(host));
    const found =
      (await fromHelper(helper, host, places.running)) ??
      entryFor(file, host, repository) ??
      (await fromHelper(file?.store, host, places.running));
    if (found !== undefined) return found;
  }
  return undefined;
}

function entryFor(file: AuthFile | undefined, host: string, repository: string): Credentials | undefined {
  const parts = [hostKey(host), ...repository.split("/").filter((part) => part !== "")];
  const keys = parts.map((_, index) => parts.slice(0, parts.length - index).join("/"));
  return keys.map((key) => file?.entries.get(key)).find((entry) => entry !== undefined);
}

/** Docker and podman call Docker Hub by different names. */
async function fromHelper(
  name: string | undefined,
  host: string,
  running: HelperOptions | undefined,
): Promise<Credentials | undefined> {
  if (name === undefined || running === undefined) return undefined;
  const key = hostKey(host);
  for (const server of key === "docker.io" ? ["https://index.docker.io/v1/", key] : [key]) {
    const found = await askHelper(name, server, running);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** Undefined when the file is absent. */
async function readAuthFile(file: string): Promise<AuthFile | undefined> {
  let text: string;
  try {
    text = await readFile(file, "utf8");
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === "ENOENT" || errno === "ENOTDIR") return undefined;
    throw unusable(file, `it cannot be read (${errno})`);
  }
  const document = parseAuthFile(text, file);
  const entries = new Map<string, Credentials>();
  for (const [key, entry] of Object.entries(isObject(document.auths) ? document.auths : {})) {
    const credentials = isObject(entry) ? credentialsOf(entry) : undefined;
    // A key of the present form wins over an older spelling of the same registry.
    const name = entryKey(key);
    if (credentials !== undefined && (name === key || !entries.has(name))) entries.set(name, credentials);
  }
  const helpers = Object.entries(isObject(document.credHelpers) ? document.credHelpers : {});
  return {
    entries,
    helpers: new Map(helpers.map(([key, name]) => [entryKey(key), helperName(name, file)])),
    store: (document.credsStore ?? "") === "" ? undefined : helperName(document.credsStore, file),
  };
}

function helperName(name: unknown, file: string): string {
  if (typeof name === "string" && /^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(name)) return name;
  throw unusable(file, "it names a credential helper that is no program's ending");
}

function parseAuthFile(text: string, file: string): JsonObject {
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch {
    // The parser's own message would quote the file, and with it a password.
    throw unusable(file, "it is not JSON");
  }
  if (isObject(document)) return document;
  throw unusable(file, "it is not a JSON object");
}

function credentialsOf({ auth, identitytoken: identityToken }: JsonObject): Credentials | undefined {
  const found = decoded(auth);
  if (typeof identityToken !== "string" || identityToken === "") return found;
  return { user: found?.user ?? "", password: "", identityToken };
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
