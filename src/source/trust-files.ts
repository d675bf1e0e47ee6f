import { existsSync, readFileSync } from "node:fs";
import { errnoOf, KeelsonError, printable } from "../errors.ts";
import { FormatProblem } from "../trust/fields.ts";
import type { Material } from "../trust/material.ts";
import { type Policy, parsePolicy } from "../trust/policy.ts";

/** Where the files of containers-policy.json(5) and containers-registries.d(5) are. */
export interface TrustPlaces {
  /** Before every path of the host: "" or the directory given with --root. */
  readonly prefix: string;
  /** The home directory of who runs keelson. */
  readonly home: string;
}

/** policy.json as it was found. */
export interface PolicyFile {
  readonly policy: Policy;
  readonly path: string;
  /** Before the paths that stand in it. */
  readonly prefix: string;
}

/** The policy of who runs keelson, else the host's; undefined when there is neither. Throws E_SETTINGS. */
export function readPolicy({ prefix, home }: TrustPlaces): PolicyFile | undefined {
  const own = `${home}/.config/containers/policy.json`;
  const system = `${prefix}/etc/containers/policy.json`;
  const [path, inside] = existsSync(own) ? [own, ""] : [system, prefix];
  const bytes = readIfThere(path);
  if (bytes === undefined) return undefined;
  try {
    return { policy: parsePolicy(bytes), path, prefix: inside };
  } catch (error) {
    if (!(error instanceof FormatProblem)) throw error;
    throw malformed(path, error.message);
  }
}

/** The bytes of keys or certificates that a policy names. Throws E_POLICY for a file that cannot be read. */
export function readMaterial(material: readonly Material[], file: PolicyFile): readonly Buffer[] {
  return material.map((one) => {
    if (one.kind === "data") return Buffer.from(one.data);
    const path = `${file.prefix}${one.path}`;
    try {
      return readFileSync(path);
    } catch (error) {
      throw new KeelsonError(
        "E_POLICY",
        `${file.path}: its key ${printable(path)} cannot be read (${errnoOf(error)})`,
        {
          hint: "Put the key there, or correct the path in the policy.",
          cause: error,
        },
      );
    }
  });
}

/** The bytes of a file; undefined when there is none. Throws E_SETTINGS when it cannot be read. */
export function readIfThere(path: string): Buffer | undefined {
  try {
    return readFileSync(path);
  } catch (error) {
    if (errnoOf(error) === "ENOENT" || errnoOf(error) === "ENOTDIR") return undefined;
    throw malformed(path, `it cannot be read (${errnoOf(error)})`, error);
  }
}

/** E_SETTINGS for a file that is not what its manual page says. */
export function malformed(path: string, why: string, cause?: unknown): KeelsonError {
  return new KeelsonError("E_SETTINGS", `${path}: ${printable(why)}`, {
    hint: "containers-policy.json(5) and containers-registries.d(5) describe these files.",
    cause,
  });
}
