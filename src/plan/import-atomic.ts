import { isDeepStrictEqual } from "node:util";
import type { Contract } from "../contract/contract.ts";
import { renderConfig } from "../contract/template.ts";
import { forcedVariables } from "../contract/values.ts";
import { printable } from "../errors.ts";
import type { Json } from "../image/json.ts";
import { type AtomicContainer, refusedAtomic } from "./atomic.ts";
import type { HostChange } from "./change.ts";
import { diffConfigs } from "./config-diff.ts";
import type { Deployment, HostFile } from "./deployment.ts";
import type { HostFacts } from "./facts.ts";
import { textState } from "./file-state.ts";
import { hostPlaces } from "./places.ts";
import { planSwitch, type SwitchPlan, type SwitchRequest } from "./switch.ts";
import { madeBy, parseTmpfiles } from "./tmpfiles.ts";
import { installLinks } from "./unit-links.ts";

/** What somebody gave a container, of all its values. */
export interface GivenValues {
  readonly set: ReadonlyMap<string, string>;
  /** Absent where the image has one for all, or where it has none. */
  readonly uuid?: string;
  /** What cannot be expressed, a line each. */
  readonly lost: readonly string[];
}

/** Those of the host and of atomic itself, which are keelson's to say. */
const own = new Set([...forcedVariables, "ALL_PROCESS_CAPABILITIES", "RUNTIME", "KEELSON", "ATOMIC"]);

/** What of atomic's full list of values is neither a default of the image nor atomic's own. */
export function givenValues({ name, info }: AtomicContainer, { manifest }: Contract): GivenValues {
  const usual = new Map<string, Json>([
    ...manifest.defaultValues,
    ["RUN_DIRECTORY", "/run"],
    ["CONF_DIRECTORY", "/etc"],
    ["STATE_DIRECTORY", "/var/lib"],
    ["PIDFILE", `/run/container-${name}.pid`],
  ]);
  const set = new Map<string, string>();
  const lost: string[] = [];
  let uuid: string | undefined;
  for (const [key, value] of Object.entries(info.values)) {
    if (own.has(key) || isDeepStrictEqual(usual.get(key), value)) continue;
    if (key === "UUID" && typeof value === "string") uuid = value;
    else if (/^[A-Za-z_][A-Za-z0-9_]*$/.test(key) && ["string", "number", "boolean"].includes(typeof value))
      set.set(key, String(value));
    else lost.push(`the value of ${printable(key)}, which is not text`);
  }
  return { set, ...(uuid === undefined ? {} : { uuid }), lost };
}

/**
 * What of config.json somebody has edited since atomic wrote it: it is rendered anew. Throws E_ATOMIC where it is not the
 * image's.
 */
export function editedConfig({ name, config, info }: AtomicContainer, contract: Contract): readonly string[] {
  if (contract.config === undefined) {
    const why = "its image brings no config.json, so that what runs is atomic's default or somebody's own";
    throw refusedAtomic(
      name,
      why,
      "keelson install its image, and put what has to be different into /etc/keelson/NAME.d.",
    );
  }
  const values = new Map(
    Object.entries(info.values).map(([key, value]) => [key, { value, origin: "default" as const }]),
  );
  // What stands there may be a secret.
  const changed = diffConfigs(renderConfig(contract.config, values), config);
  return changed.map(({ path }) => `an edit of config.json: ${printable(path)}`);
}

/** The host as it is where files that atomic wrote, and nobody changed since, are the container's own. */
export function factsOfAtomic(atomic: AtomicContainer, contract: Contract, facts: HostFacts): HostFacts {
  const { name, tmpfiles } = atomic;
  const unit = `${hostPlaces.units}/${name}.service`;
  if (facts.textAt(unit) !== atomic.unit) {
    const hint = `Put what is different into ${unit}.d/, and copy ${atomic.directory}/${name}.service over it.`;
    throw refusedAtomic(name, `${unit} is not what atomic wrote`, hint);
  }
  const files = new Set(ownFiles(atomic, contract, facts));
  const made = new Set(madeBy(parseTmpfiles(tmpfiles ?? "", `${name}.conf`)).map(facts.resolve));
  return {
    ...facts,
    ownerOf: (path) => (files.has(path) ? name : facts.ownerOf(path)),
    madeBefore: (path) => made.has(path) || facts.madeBefore(path),
  };
}

/** What stands on the host as atomic put it there, and could be put back: text, links, and what the image has itself. */
function ownFiles({ info }: AtomicContainer, contract: Contract, facts: HostFacts): readonly string[] {
  const brought = new Set(contract.hostfs.flatMap((entry) => (entry.kind === "file" ? [entry.sha256] : [])));
  return [...info.files].flatMap(([given, checksum]) => {
    const path = facts.resolve(given);
    const fact = facts.at(path);
    if (fact.kind === "symlink") return checksum === "0" ? [path] : [];
    if (fact.kind !== "file" || fact.sha256 !== checksum) return [];
    return brought.has(checksum) || textState(facts.textAt(path) ?? "").sha256 === checksum ? [path] : [];
  });
}

/**
 * What brings a host from atomic's container, `from`, to the deployment `to` of it: as an update from a deployment that is not
 * keelson's. atomic's file of tmpfiles goes, as keelson's has another name; one that was changed stays.
 */
export function planTakeOver(
  { name, tmpfiles }: AtomicContainer,
  from: Deployment,
  to: Deployment,
  request: SwitchRequest,
  facts: HostFacts,
): SwitchPlan {
  const plan = planSwitch(from, to, request, facts);
  const path = `/etc/tmpfiles.d/${name}.conf`;
  const fact = facts.at(path);
  const ours = tmpfiles !== undefined && fact.kind === "file" && textState(tmpfiles).sha256 === fact.sha256;
  const removed: readonly HostChange[] = ours ? [{ kind: "file", path, from: textState(tmpfiles, fact.mode) }] : [];
  const changes = plan.changes.flatMap((change): readonly HostChange[] =>
    // There was none of keelson's before.
    change.kind === "current" ? [...removed, { kind: "current", name, to: to.generation }] : [change],
  );
  const kept = tmpfiles === undefined || fact.kind === "missing" || ours ? [] : [path];
  return { changes, kept: [...plan.kept, ...kept] };
}

/** atomic's container in the form of a deployment, which is never written. */
export function deploymentOfAtomic(
  atomic: AtomicContainer,
  to: Deployment,
  enabled: boolean,
  facts: HostFacts,
): Deployment {
  const unit = `${atomic.name}.service`;
  const text = atomic.unit;
  const service = {
    unit,
    path: `${hostPlaces.units}/${unit}`,
    text,
    enabled,
    links: installLinks(unit, text, hostPlaces),
  };
  const { name, image, runtime, created } = to;
  return {
    ...{ schema: 1, name, generation: 0, created, image, runtime, set: {}, values: {}, service, config: atomic.config },
    hostFiles: [...atomic.info.files.keys()].flatMap((path) => hostFileOf(facts.resolve(path), to, facts)),
    ...{ madeDirectories: [], hostActions: [], warnings: [] },
  };
}

function hostFileOf(path: string, to: Deployment, facts: HostFacts): readonly HostFile[] {
  const fact = facts.at(path);
  if (facts.ownerOf(path) !== to.name) return [];
  if (fact.kind === "symlink") return [{ kind: "symlink", path, target: fact.target, foreign: false }];
  if (fact.kind !== "file") return [];
  const { mode, sha256 } = fact;
  const same = to.hostFiles.find((file) => file.kind === "file" && file.sha256 === sha256);
  const text = facts.textAt(path) ?? "";
  const content = same?.kind === "file" ? same.content : ({ kind: "text", text } as const);
  return [{ kind: "file", path, mode, sha256, foreign: false, content }];
}
