import { isRunning } from "../host/beside.ts";
import { readContainers, readCurrent } from "../host/deployments.ts";
import { readProcesses } from "../host/processes.ts";
import { formatSize, formatTable } from "../output.ts";
import { hereOnly, type World } from "../world.ts";

/** Shows the processes of containers, of all that run when none is named. */
export async function top(world: World, names: readonly string[]): Promise<void> {
  hereOnly(world, "top");
  const { deployments } = world.paths;
  const chosen =
    names.length > 0
      ? names.map((name) => readCurrent(deployments, name))
      : readContainers(deployments).flatMap((container) =>
          container.kind === "installed" ? container.deployment : [],
        );
  const rows = [];
  for (const deployment of chosen) {
    if (!(await isRunning(deployment))) continue;
    const processes = await readProcesses(deployment);
    rows.push(...processes.map((process) => ({ name: deployment.name, ...process })));
  }
  const cells = rows.map(({ name, pid, uid, state, memory, cpu, started, command }) => [
    ...[name, String(pid), String(uid), state, formatSize(memory)],
    ...[`${(cpu / 1000).toFixed(2)}s`, started.slice(0, 16).replace("T", " "), command],
  ]);
  const headings = ["NAME", "PID", "UID", "STATE", "MEMORY", "CPU", "STARTED", "COMMAND"];
  world.output.answer(rows, rows.length === 0 ? [] : formatTable(headings, cells));
}
