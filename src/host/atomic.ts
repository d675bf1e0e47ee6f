import { lstatSync, readFileSync, readlinkSync } from "node:fs";
import { basename } from "node:path";
import { errnoOf, KeelsonError, printable } from "../errors.ts";
import { type AtomicContainer, parseAtomicInfo, refusedAtomic } from "../plan/atomic.ts";
import { namesIn } from "../store/directory.ts";
import type { HostRoot } from "./root.ts";

/** Where `atomic install --system` kept its containers. */
const atomicDirectory = "/var/lib/containers/atomic";

/** The names of the containers that atomic has on a host: links to one of two directories each. */
export function atomicNames(root: HostRoot): readonly string[] {
  const place = root.path(atomicDirectory);
  return namesIn(place)
    .filter((name) => !name.startsWith(".") && lstatSync(`${place}/${name}`).isSymbolicLink())
    .toSorted();
}

/** The container of that name as atomic left it. Throws E_NOT_FOUND, and E_ATOMIC for one that cannot be taken over. */
export function readAtomic(root: HostRoot, name: string): AtomicContainer {
  const link = `${atomicDirectory}/${name}`;
  const slot = basename(targetOf(root.path(link)) ?? throwNotFound(name));
  if (slot !== `${name}.0` && slot !== `${name}.1`) {
    const hint = `It has to be a link to ${link}.0 or ${link}.1.`;
    throw refusedAtomic(name, `${link} leads to ${printable(slot)}`, hint);
  }
  const directory = `${atomicDirectory}/${slot}`;
  const read = (file: string): string | undefined => textAt(root.path(`${directory}/${file}`));
  const needed = (file: string): string => {
    const text = read(file);
    if (text !== undefined) return text;
    throw refusedAtomic(name, `${directory}/${file} is missing`, "atomic left it half done; install the image anew.");
  };
  const info = parseAtomicInfo(needed("info"), name);
  const [unit, config] = [needed(`${name}.service`), needed("config.json")];
  if (lstatSync(root.path(`${directory}/rootfs`), { throwIfNoEntry: false })?.isDirectory() !== true) {
    throw refusedAtomic(name, `${directory}/rootfs is not a directory`, "Install the image anew.");
  }
  const paths = [link, `${link}.0`, `${link}.1`].filter((path) => root.at(path).kind !== "missing");
  return { name, directory, info, unit, tmpfiles: read(`tmpfiles-${name}.conf`), config, paths };
}

function targetOf(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch (error) {
    const code = errnoOf(error);
    if (code === "ENOENT" || code === "ENOTDIR" || code === "EINVAL") return undefined;
    throw error;
  }
}

function throwNotFound(name: string): never {
  throw new KeelsonError("E_NOT_FOUND", `atomic has no container ${printable(name)} in ${atomicDirectory}`, {
    hint: "Those of users (--user) and of a package are elsewhere, and are not taken over.",
  });
}

function textAt(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return undefined;
    throw error;
  }
}
