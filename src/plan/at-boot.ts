import { formatSystemdArgument } from "../contract/systemd-argument.ts";
import { KeelsonError, printable } from "../errors.ts";
import type { HostFacts } from "./facts.ts";
import { missingParents } from "./host-files.ts";
import { planOwnUnit, planOwnUnitRemoval, readOwnUnit } from "./own-unit.ts";
import type { SwitchPlan } from "./switch.ts";

/** How stacks are applied at boot. */
export interface AtBoot {
  /** The directory of the stack files. */
  readonly directory: string;
  /** The archive that the images come from, as the host names it; then the network is not waited for. */
  readonly bundle?: string | undefined;
  /** The other options of the command. */
  readonly options: readonly string[];
}

const own = {
  unit: "keelson-apply.service",
  target: "multi-user.target",
  firstLine: "# Written by keelson apply --enable-at-boot; keelson apply --disable-at-boot removes it.",
};
const path = `/etc/systemd/system/${own.unit}`;

/**
 * Brings the unit that applies the host's stacks at boot, or brings it up to date; without `atBoot` takes it away. What stands
 * in its place and is somebody's stays.
 */
export function planAtBoot(atBoot: AtBoot | undefined, facts: HostFacts): SwitchPlan {
  const kept = facts.at(path).kind !== "missing" && readOwnUnit(own, facts) === undefined ? [path] : [];
  if (atBoot === undefined) return { changes: planOwnUnitRemoval(own, facts), kept };
  const changes = planOwnUnit({ ...own, text: unitText(atBoot, facts) }, facts, true);
  if (changes.length === 0) return { changes, kept };
  const parents = missingParents(path, facts).filter((parent) => facts.at(parent.path).kind === "missing");
  const made = parents.map((parent) => ({ kind: "directory", path: parent.path, to: parent.mode }) as const);
  return { changes: [...made, ...changes, { kind: "reload" }], kept };
}

/** What can only fail again is not tried again: each try may stop and start services. */
const finalStatuses = "2 3 4 7 8 11 12 13";

function unitText({ directory, bundle, options }: AtBoot, { state, keelson }: HostFacts): string {
  const words = [keelson, "apply", ...options, ...(bundle === undefined ? [] : ["--bundle", bundle])];
  const network = bundle === undefined ? ["Wants=network-online.target", "After=network-online.target"] : [];
  const mounts = [state, ...(bundle === undefined ? [] : [bundle])];
  return `${[
    own.firstLine,
    "[Unit]",
    `Description=Bring the system containers to what ${directory} says`,
    "After=local-fs.target keelson-recover.service",
    ...network,
    `RequiresMountsFor=${mounts.map(argument).join(" ")}`,
    `ConditionPathExistsGlob=${directory}/*.conf`,
    `ConditionFileIsExecutable=${keelson.replaceAll("%", "%%")}`,
    "",
    "[Service]",
    "Type=oneshot",
    `ExecStart=${words.map(argument).join(" ")}`,
    "Restart=on-failure",
    "RestartSec=30s",
    `RestartPreventExitStatus=${finalStatuses}`,
    "",
    "[Install]",
    `WantedBy=${own.target}`,
  ].join("\n")}\n`;
}

function argument(text: string): string {
  const word = formatSystemdArgument(text);
  if (word !== undefined) return word;
  throw new KeelsonError("E_USAGE", `${printable(text)} cannot stand in a unit`, { hint: "Use another path." });
}
