import { type InstalledContainer, readContainers } from "../host/deployments.ts";
import { isEnabled, readStates } from "../host/service.ts";
import { readSockets, type Socket } from "../host/sockets.ts";
import type { UnitState } from "../host/unit-state.ts";
import { formatTable } from "../output.ts";
import type { World } from "../world.ts";

/** Every container with its image and the state of its service. One that cannot be read is shown as broken. */
export async function list(world: World): Promise<void> {
  const containers = readContainers(world.paths.deployments);
  const states = await readStates(containers, world.systemd);
  const sockets = await readSockets(containers, world.systemd);
  const rows = containers.map((container) => ({
    ...describe(container, states),
    sockets: sockets.get(container.name) ?? [],
  }));
  const headings = [
    "NAME",
    "IMAGE",
    "GENERATION",
    "STATE",
    "ENABLED",
    "CREATED",
    ...(sockets.size > 0 ? ["SOCKETS"] : []),
  ];
  const table = rows.map((row) => [
    row.name,
    row.image ?? "-",
    row.generation === null ? "-" : String(row.generation),
    row.state,
    row.enabled === null ? "-" : row.enabled ? "yes" : "no",
    row.created?.slice(0, 16).replace("T", " ") ?? "-",
    ...(sockets.size > 0 ? [row.sockets.map(formatSocket).join(", ") || "-"] : []),
  ]);
  world.output.answer(rows, rows.length === 0 ? [] : formatTable(headings, table));
}

/** Where it listens, or would. */
function formatSocket({ listen, state }: Socket): string {
  return `${listen.map(({ address }) => address).join(" ")} (${state})`;
}

interface Row {
  readonly name: string;
  readonly image: string | null;
  readonly digest: string | null;
  readonly generation: number | null;
  readonly state: string;
  readonly enabled: boolean | null;
  readonly created: string | null;
  readonly runtime: string | null;
  readonly problem: string | null;
}

function describe(container: InstalledContainer, states: ReadonlyMap<string, UnitState>): Row {
  if (container.kind === "broken") {
    const nothing = { image: null, digest: null, generation: null, enabled: null, created: null, runtime: null };
    return { name: container.name, ...nothing, state: "broken", problem: container.reason };
  }
  const { name, image, generation, service, created, runtime } = container.deployment;
  const state = service === undefined ? undefined : states.get(service.unit);
  return {
    name,
    image: image.reference,
    digest: image.digest,
    generation,
    // Without a manager nobody knows: that is not the same as stopped.
    state: service === undefined ? "no service" : (state?.activeState ?? "unknown"),
    enabled: isEnabled(container.deployment, state),
    created,
    runtime,
    problem: null,
  };
}
