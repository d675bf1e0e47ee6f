import { KeelsonError, printable } from "../errors.ts";
import { isObject, type Json, type JsonObject } from "../image/json.ts";

/** A container as `atomic install --system` left it on a host: what its `info` and the files beside that say. */
export interface AtomicContainer {
  readonly name: string;
  /** The deployment in use, as the host names it: `/var/lib/containers/atomic/NAME.0`. */
  readonly directory: string;
  readonly info: AtomicInfo;
  /** As atomic wrote them. */
  readonly unit: string;
  readonly tmpfiles: string | undefined;
  readonly config: string;
  /** What of atomic's own is there, to be removed afterwards. */
  readonly paths: readonly string[];
}

export interface AtomicInfo {
  /** As it was given to atomic. */
  readonly image: string;
  /** Seconds since 1970. */
  readonly created: number;
  /** Every variable of the templates. */
  readonly values: Readonly<Record<string, Json>>;
  /** Files of the host with the SHA-256 of what atomic wrote, in hex; that of a link is no such thing. */
  readonly files: ReadonlyMap<string, string>;
  readonly runtime: string | undefined;
}

/** A container of atomic's that cannot be taken over. */
export function refusedAtomic(name: string, why: string, hint: string): KeelsonError {
  return new KeelsonError("E_ATOMIC", `${printable(name)} cannot be taken over: ${why}`, { hint });
}

const anew = "Uninstall it with atomic, then keelson install its image.";

/**
 * Reads the text of `info`. Throws E_ATOMIC for one that is not well formed, and for what keelson has no counterpart of: a root
 * filesystem of another place, host files that came as a package, files without a service, a service of a user's.
 */
export function parseAtomicInfo(text: string, name: string): AtomicInfo {
  const info = readObject(text, name);
  const { image, values, created, runtime } = info;
  if (typeof image !== "string" || !isObject(values)) throw damaged(name);
  if (typeof info.remote === "string") {
    throw refusedAtomic(
      name,
      `its root filesystem is ${printable(info.remote)} (--rootfs)`,
      `${anew} It has --rootfs, too.`,
    );
  }
  if (info["has-container-service"] === false) throw refusedAtomic(name, "it has host files and no service", anew);
  if (typeof info["rpm-installed"] === "string" || info["system-package"] === "yes") {
    const rpm = printable(String(info["rpm-installed"] ?? "a package"));
    throw refusedAtomic(name, `its host files came as ${rpm}, and are the package manager's`, anew);
  }
  if (values.HOST_UID !== undefined && String(values.HOST_UID) !== "0") {
    throw refusedAtomic(
      name,
      "it is a user's (--user)",
      "Uninstall it with atomic, then keelson --user install its image as that user.",
    );
  }
  return {
    image,
    created: typeof created === "number" ? created : 0,
    values,
    files: filesOf(info),
    runtime: typeof runtime === "string" && runtime !== "" ? runtime : undefined,
  };
}

/**
 * Where the image came from, without the prefixes that atomic knew for a registry. Throws E_ATOMIC for another place, and a
 * digest.
 */
export function imageNameOf({ name, info: { image } }: AtomicContainer): string {
  const reference = image.replace(/^(?:oci:|https?:(?:\/\/)?)/, "");
  const hint = "Say with --image where the image comes from now, with its tag.";
  if (/^(?:docker|dockertar):/.test(reference)) {
    throw refusedAtomic(name, `its image is ${printable(image)}, of no registry`, hint);
  }
  if (reference.includes("@")) throw refusedAtomic(name, `its image is named by a digest, ${printable(image)}`, hint);
  return reference;
}

function readObject(text: string, name: string): JsonObject {
  try {
    const info: unknown = JSON.parse(text);
    if (isObject(info)) return info;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
  }
  throw damaged(name);
}

function damaged(name: string): KeelsonError {
  return refusedAtomic(
    name,
    "its file info is not one that atomic writes",
    "Look at the file; it names image and values.",
  );
}

/** Old ones have no checksums: what stands there is then nobody's to take. */
function filesOf(info: JsonObject): ReadonlyMap<string, string> {
  const checksums: unknown = info["installed-files-checksum"];
  if (!isObject(checksums)) return new Map();
  return new Map(
    Object.entries(checksums).filter(
      (entry): entry is [string, string] => entry[0].startsWith("/") && typeof entry[1] === "string",
    ),
  );
}
