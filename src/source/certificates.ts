import { X509Certificate } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { createSecureContext } from "node:tls";
import { errnoOf, KeelsonError } from "../errors.ts";

/** What certs.d holds for one registry, as PEM. */
export interface HostCertificates {
  readonly ca: readonly string[];
  /** Client certificates and their keys, in one order. */
  readonly cert: readonly string[];
  readonly key: readonly string[];
}

/**
 * What the first of `directories` that knows one of the `hosts` (`HOST[:PORT]`, the same in several spellings) holds for
 * it: `*.crt` are authorities, `NAME.cert` and `NAME.key` a client certificate. Throws E_SETTINGS naming the file.
 * https://github.com/containers/image/blob/main/docs/containers-certs.d.5.md
 */
export function readCertificates(directories: readonly string[], hosts: readonly string[]): HostCertificates {
  for (const directory of directories.flatMap((parent) => hosts.map((host) => join(parent, host)))) {
    const names = namesIn(directory);
    if (names !== undefined) return certificatesIn(directory, names);
  }
  return { ca: [], cert: [], key: [] };
}

/** What a directory of certificates for one registry holds. Throws E_SETTINGS naming the file. */
export function readCertificateDirectory(directory: string): HostCertificates {
  const names = namesIn(directory);
  if (names === undefined) throw unusable(directory, "is not there");
  return certificatesIn(directory, names);
}

function namesIn(directory: string): readonly string[] | undefined {
  try {
    return readdirSync(directory).sort();
  } catch (error) {
    if (["ENOENT", "ENOTDIR"].includes(errnoOf(error) ?? "")) return undefined;
    throw unusable(directory, `cannot be read (${errnoOf(error)})`, error);
  }
}

function certificatesIn(directory: string, names: readonly string[]): HostCertificates {
  const ending = (end: string): readonly string[] => names.filter((name) => name.endsWith(end));
  const orphan = ending(".key").find((name) => !names.includes(name.replace(/key$/, "cert")));
  if (orphan !== undefined) throw unusable(join(directory, orphan), "is a key without its certificate, a .cert");
  const pairs = ending(".cert").map((name) => {
    const path = join(directory, name);
    const key = name.replace(/cert$/, "key");
    if (!names.includes(key))
      throw unusable(path, "is a client certificate without its key; authorities are called .crt");
    return readPair(path, join(directory, key));
  });
  return {
    ca: ending(".crt").map((name) => readAuthority(join(directory, name))),
    cert: pairs.map(({ cert }) => cert),
    key: pairs.map(({ key }) => key),
  };
}

function readAuthority(path: string): string {
  const text = readText(path);
  try {
    new X509Certificate(text);
    return text;
  } catch (error) {
    throw unusable(path, "holds no certificate", error);
  }
}

function readPair(certPath: string, keyPath: string): { readonly cert: string; readonly key: string } {
  const pair = { cert: readText(certPath), key: readText(keyPath) };
  try {
    createSecureContext(pair);
    return pair;
  } catch (error) {
    // What OpenSSL says of a key does not quote it.
    const why = error instanceof Error ? error.message : String(error);
    throw unusable(certPath, `and ${keyPath} are no certificate and its key: ${why}`, error);
  }
}

function readText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    throw unusable(path, `cannot be read (${errnoOf(error)})`, error);
  }
}

function unusable(path: string, why: string, cause?: unknown): KeelsonError {
  return new KeelsonError("E_SETTINGS", `${path} ${why}`, {
    hint: "The manual page containers-certs.d(5) says what belongs into the directory of a registry.",
    cause,
  });
}
