import { KeelsonError } from "../errors.ts";
import { runAttached } from "../host/attached.ts";
import { readCurrent } from "../host/deployments.ts";
import { unitOption } from "../host/journal-lines.ts";
import { programPath } from "../host/program.ts";
import type { World } from "../world.ts";

export interface LogsRequest {
  readonly name: string;
  readonly follow: boolean;
  /** How many of the last lines. */
  readonly lines?: string | undefined;
  readonly since?: string | undefined;
}

/** Shows what a container's service left in the journal, and systemd about it. The exit status is journalctl's. */
export async function logs(world: World, request: LogsRequest): Promise<number> {
  const { service, name } = readCurrent(world.paths.deployments, request.name);
  if (service === undefined) {
    throw new KeelsonError("E_NOT_FOUND", `${name} has no service, and so no log`, {
      hint: `keelson info ${name} shows what it brought.`,
    });
  }
  const journalctl = programPath("journalctl");
  if (journalctl === undefined) {
    throw new KeelsonError("E_SYSTEMD", "there is no journalctl on this host", {
      hint: "Install systemd's journalctl.",
    });
  }
  const options = [
    unitOption(service.unit, world.systemd.scope),
    ...(world.root.prefix === "" ? [] : [`--root=${world.root.prefix}`]),
    ...(request.follow ? ["--follow"] : []),
    ...(request.lines === undefined ? [] : [`--lines=${request.lines}`]),
    ...(request.since === undefined ? [] : [`--since=${request.since}`]),
  ];
  return runAttached(journalctl, options, world.signal);
}
