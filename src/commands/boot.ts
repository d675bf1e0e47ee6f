import { KeelsonError } from "../errors.ts";
import { readBootClock, readStartTimes } from "../host/boot-times.ts";
import { readContainers, readCurrent } from "../host/deployments.ts";
import { checkHealth } from "../host/health.ts";
import { formatTable } from "../output.ts";
import { formatBootSvg, seconds } from "../plan/boot-svg.ts";
import { type BootRow, chartBoot, type StartTimes, timesBehind } from "../plan/boot-times.ts";
import type { Deployment } from "../plan/deployment.ts";
import { readyWhenHealthy } from "../plan/readiness.ts";
import { asRootOnly, hereOnly, type World } from "../world.ts";

export interface BootRequest {
  /** Of a container; all when there is none. */
  readonly name: string | undefined;
  readonly format: "text" | "svg";
}

/** The milestones that services start between. */
const targets = ["sysinit", "basic", "network", "network-online", "multi-user", "graphical"].map(
  (name) => `${name}.target`,
);

/** Shows when each container's service was queued, could start, started, and was ready, beside the targets of the boot. */
export async function boot(world: World, { name, format }: BootRequest): Promise<void> {
  hereOnly(world, "boot");
  asRootOnly(world, "boot");
  const deployments = readContainers(world.paths.deployments).flatMap((container) =>
    container.kind === "installed" && container.deployment.service !== undefined ? container.deployment : [],
  );
  const chosen = name === undefined ? undefined : unitOf(readCurrent(world.paths.deployments, name));
  const bus = await world.systemd.bus?.();
  if (bus === undefined) {
    throw new KeelsonError("E_SYSTEMD", "no systemd answers that could tell of this boot", {
      hint: "keelson boot wants a host that systemd has booted, and its system bus.",
    });
  }
  const units = [...targets, ...deployments.map(unitOf)];
  const times = await withHealth(await readStartTimes(bus, units), deployments);
  const seen = times.filter(({ unit, released }) => released > 0 || !targets.includes(unit));
  const containers = new Map(deployments.map((deployment) => [unitOf(deployment), deployment.name]));
  const shown = chosen === undefined ? seen : timesBehind(chosen, seen);
  const rows = chartBoot(await readBootClock(bus), shown, containers);
  world.output.answer(rows, format === "text" ? tableOf(rows) : formatBootSvg(rows));
}

function unitOf({ service, name }: Deployment): string {
  return service?.unit ?? `${name}.service`;
}

async function withHealth(
  times: readonly StartTimes[],
  deployments: readonly Deployment[],
): Promise<readonly StartTimes[]> {
  const checks = times.map(async (one) => {
    const deployment = deployments.find((each) => unitOf(each) === one.unit);
    const health = one.state === "active" ? deployment?.service?.health : undefined;
    if (deployment === undefined || health === undefined) return one;
    const healthy = (await checkHealth(deployment, health)) === undefined;
    return { ...one, healthy, readyWhenHealthy: readyWhenHealthy(deployment) };
  });
  return Promise.all(checks);
}

function tableOf(rows: readonly BootRow[]): readonly string[] {
  const time = (moment: number | null): string => (moment === null ? "-" : seconds(moment));
  const health = ({ healthy, healthySince }: BootRow): string => {
    if (healthy === null) return "-";
    return healthy ? (healthySince === null ? "yes" : time(healthySince)) : "no";
  };
  const cells = rows.map((row) => [
    ...[row.unit, row.state, ...[row.queued, row.released, row.runtime, row.program, row.ready].map(time)],
    ...[health(row), String(row.restarts)],
  ]);
  return formatTable(
    ["UNIT", "STATE", "QUEUED", "RELEASED", "RUNTIME", "PROGRAM", "READY", "HEALTHY", "RESTARTS"],
    cells,
  );
}
