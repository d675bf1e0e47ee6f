import { formatSystemdArgument } from "../contract/systemd-argument.ts";
import type { FileState, HostChange } from "./change.ts";
import type { HostFacts } from "./facts.ts";
import { textState } from "./file-state.ts";
import { unitDirectory } from "./unit-links.ts";

/** The unit that deals early at boot with a change that a power cut left half done. */
export const recoveryUnit = "keelson-recover.service";

const path = `${unitDirectory}/${recoveryUnit}`;
const wants = `${unitDirectory}/sysinit.target.wants`;
const link = { path: `${wants}/${recoveryUnit}`, target: path };
const firstLine = "# Written by keelson with the first container and removed with the last.";
/** A host has to come up even if this hangs. */
const seconds = 120;

/**
 * Brings the recovery unit along with a container, or up to date. What stands in its place and is not keelson's stays, and
 * so does an administrator's decision to disable or mask it.
 */
export function planRecovery(facts: HostFacts): readonly HostChange[] {
  const text = unitText(facts);
  if (facts.at(path).kind === "missing") {
    return [
      { kind: "file", path, to: textState(text) },
      ...(facts.at(wants).kind === "missing" ? [{ kind: "directory", path: wants, to: 0o755 } as const] : []),
      ...(facts.at(link.path).kind === "missing"
        ? [{ kind: "symlink", path: link.path, to: link.target } as const]
        : []),
    ];
  }
  const from = ownUnit(facts);
  return from === undefined || from.content.text === text ? [] : [{ kind: "file", path, from, to: textState(text) }];
}

/** Takes the recovery unit away. */
export function planRecoveryRemoval(facts: HostFacts): readonly HostChange[] {
  const from = ownUnit(facts);
  if (from === undefined) return [];
  const there = facts.at(link.path);
  return [
    ...(there.kind === "symlink" && there.target === link.target
      ? [{ kind: "symlink", path: link.path, from: link.target } as const]
      : []),
    { kind: "directory", path: wants, from: 0o755 },
    { kind: "file", path, from },
    { kind: "reload" },
  ];
}

function ownUnit(facts: HostFacts): (FileState & { readonly content: { readonly text: string } }) | undefined {
  const text = facts.at(path).kind === "file" ? facts.textAt(path) : undefined;
  return text?.startsWith(`${firstLine}\n`) ? textState(text) : undefined;
}

/**
 * It runs before all units with default dependencies, and before those of keelson that have none, which name it. No bus
 * is there yet, nothing is started by it: what is enabled starts with the boot.
 */
function unitText({ state, keelson }: HostFacts): string {
  const program = formatSystemdArgument(keelson) ?? keelson;
  return `${firstLine}
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
WantedBy=sysinit.target
`;
}
