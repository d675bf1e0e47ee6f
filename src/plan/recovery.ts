import { formatSystemdArgument } from "../contract/systemd-argument.ts";
import type { HostChange } from "./change.ts";
import type { HostFacts } from "./facts.ts";
import { planOwnUnit, planOwnUnitRemoval } from "./own-unit.ts";

/** The unit that deals early at boot with a change that a power cut left half done. */
export const recoveryUnit = "keelson-recover.service";

function ownUnit({ places }: HostFacts) {
  return {
    unit: recoveryUnit,
    target: places.user === undefined ? "sysinit.target" : "default.target",
    firstLine: "# Written by keelson with the first container and removed with the last.",
  };
}
/** A host has to come up even if this hangs. */
const seconds = 120;

/** Brings the recovery unit along with a container, or up to date: see planOwnUnit. */
export function planRecovery(facts: HostFacts): readonly HostChange[] {
  return planOwnUnit({ ...ownUnit(facts), text: unitText(facts) }, facts);
}

/** Takes the recovery unit away. */
export function planRecoveryRemoval(facts: HostFacts): readonly HostChange[] {
  return planOwnUnitRemoval(ownUnit(facts), facts);
}

/**
 * It runs before all units with default dependencies, and before those of keelson that have none, which name it. No bus
 * is there yet, nothing is started by it: what is enabled starts with the boot. A user's needs the bus, which is there when
 * basic.target is: containers name it, too.
 */
function unitText(facts: HostFacts): string {
  const { state, keelson, places } = facts;
  const own = ownUnit(facts);
  const host = places.user === undefined;
  const program = formatSystemdArgument(keelson) ?? keelson;
  return `${own.firstLine}
[Unit]
Description=Finish or take back a change of the ${host ? "system " : ""}containers that was cut short
${host ? early(state) : "Before=default.target\n"}ConditionPathExists=${state}/journal/transaction
ConditionFileIsExecutable=${keelson.replaceAll("%", "%%")}

[Service]
Type=oneshot
ExecStart=${program} ${host ? "" : "--user "}recover
TimeoutStartSec=${seconds}

[Install]
WantedBy=${own.target}
`;
}

function early(state: string): string {
  return `DefaultDependencies=no
After=local-fs.target
Before=sysinit.target shutdown.target
Conflicts=shutdown.target
RequiresMountsFor=${state}
`;
}
