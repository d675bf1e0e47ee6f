import { formatSystemdArgument } from "../contract/systemd-argument.ts";
import type { HostChange } from "./change.ts";
import type { HostFacts } from "./facts.ts";
import { planOwnUnit, planOwnUnitRemoval } from "./own-unit.ts";

/** The unit that deals early at boot with a change that a power cut left half done. */
export const recoveryUnit = "keelson-recover.service";

const own = {
  unit: recoveryUnit,
  target: "sysinit.target",
  firstLine: "# Written by keelson with the first container and removed with the last.",
};
/** A host has to come up even if this hangs. */
const seconds = 120;

/** Brings the recovery unit along with a container, or up to date: see planOwnUnit. */
export function planRecovery(facts: HostFacts): readonly HostChange[] {
  return planOwnUnit({ ...own, text: unitText(facts) }, facts);
}

/** Takes the recovery unit away. */
export function planRecoveryRemoval(facts: HostFacts): readonly HostChange[] {
  return planOwnUnitRemoval(own, facts);
}

/**
 * It runs before all units with default dependencies, and before those of keelson that have none, which name it. No bus
 * is there yet, nothing is started by it: what is enabled starts with the boot.
 */
function unitText({ state, keelson }: HostFacts): string {
  const program = formatSystemdArgument(keelson) ?? keelson;
  return `${own.firstLine}
[Unit]
Description=Finish or take back a change of the system containers that was cut short
DefaultDependencies=no
After=local-fs.target
Before=sysinit.target shutdown.target
Conflicts=shutdown.target
RequiresMountsFor=${state}
ConditionPathExists=${state}/journal/transaction
ConditionFileIsExecutable=${keelson.replaceAll("%", "%%")}

[Service]
Type=oneshot
ExecStart=${program} recover
TimeoutStartSec=${seconds}

[Install]
WantedBy=${own.target}
`;
}
