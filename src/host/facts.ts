import { readFileSync } from "node:fs";
import type { HostFacts } from "../plan/facts.ts";
import { fstabUnit } from "../plan/mounts.ts";
import type { Places } from "../plan/places.ts";
import { unitFilesOf } from "../plan/triggers.ts";
import type { InstalledContainer } from "./deployments.ts";
import { readKernel } from "./kernel.ts";
import type { HostRoot } from "./root.ts";
import { dropIns, readUnit } from "./unit-origin.ts";

/** What planning asks about the host with these containers, looked up when it is asked. */
export function openFacts(
  root: HostRoot,
  state: string,
  keelson: string,
  containers: readonly InstalledContainer[],
  places: Places,
): HostFacts {
  const owners = new Map<string, string>();
  const foreign = new Map<string, string>();
  const made = new Set<string>();
  const declared: { readonly path: string; readonly name: string }[] = [];
  for (const container of containers) {
    if (container.kind === "broken") continue;
    const { name, hostFiles, tmpfiles, service, madeDirectories } = container.deployment;
    for (const { path } of [...madeDirectories, ...(tmpfiles?.made ?? [])]) made.add(path);
    for (const file of hostFiles) (file.foreign ? foreign : owners).set(file.path, name);
    for (const path of tmpfiles?.declared ?? []) declared.push({ path, name });
    for (const path of [...unitFilesOf(service).map((unit) => unit.path), tmpfiles?.path])
      if (path !== undefined) owners.set(path, name);
  }
  const textAt = (path: string): string | undefined =>
    root.at(path).kind === "file" ? readFileSync(root.bytes(path), "utf8") : undefined;
  return {
    places,
    state,
    deployments: `${state}/deployments`,
    keelson,
    ...readKernel(root),
    at: root.at,
    textAt,
    installed: containers.flatMap((container) => (container.kind === "installed" ? [container.deployment] : [])),
    unitText: (unit) =>
      readUnit(root.path("/"), unit, places) ??
      (unit.endsWith(".mount") ? fstabUnit(textAt("/etc/fstab") ?? "", unit) : undefined),
    additionsTo: (unit) =>
      dropIns(root.path("/"), unit, places)
        .toReversed()
        .map((path) => readFileSync(root.bytes(path), "latin1"))
        .join("\n"),
    alone: (name) => containers.every((container) => container.name === name),
    resolve: root.resolve,
    madeBefore: (path) => made.has(path),
    declaredElsewhere: (path, name) =>
      declared.some((other) => other.name !== name && `${other.path}/`.startsWith(`${path}/`)),
    leftAlone: (path, name) => foreign.get(path) === name,
    ownerOf: (path) => owners.get(path),
  };
}
