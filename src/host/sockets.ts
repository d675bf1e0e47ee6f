import { parseUnit } from "../plan/unit-file.ts";
import type { InstalledContainer } from "./deployments.ts";
import type { Systemd } from "./systemd.ts";
import { readUnitProperties } from "./unit-properties.ts";

/** A socket unit that starts a container's service. */
export interface Socket {
  /** `NAME.socket` */
  readonly unit: string;
  /** systemd's `ActiveState`: only an active one listens; `unknown` where no manager runs. */
  readonly state: string;
  /** Drop-ins included where a manager runs, else as it was installed. */
  readonly listen: readonly Listening[];
}

export interface Listening {
  /** `Stream`, `Datagram`, `FIFO` and so on, as in the names of systemd's settings. */
  readonly type: string;
  readonly address: string;
}

/** The socket units of the containers that can be read, by container. */
export async function readSockets(
  containers: readonly InstalledContainer[],
  systemd: Systemd,
): Promise<ReadonlyMap<string, readonly Socket[]>> {
  const sockets = new Map<string, readonly Socket[]>();
  for (const container of containers) {
    if (container.kind === "broken") continue;
    const own: Socket[] = [];
    for (const { kind, unit, text } of container.deployment.service?.triggers ?? []) {
      if (kind === "socket") own.push(await readSocket(unit, text, systemd));
    }
    if (own.length > 0) sockets.set(container.name, own);
  }
  return sockets;
}

async function readSocket(unit: string, text: string, systemd: Systemd): Promise<Socket> {
  const bus = systemd.running ? await systemd.bus?.() : undefined;
  if (bus === undefined) return { unit, state: "unknown", listen: listenLines(text, unit) };
  const properties = await readUnitProperties(bus, unit);
  const loaded = properties.text("LoadState");
  const listen = properties.list<readonly [string, string]>("Listen").map(([type, address]) => ({ type, address }));
  return { unit, state: loaded === "loaded" ? properties.text("ActiveState") : loaded, listen };
}

/** An empty address forgets those before it. */
function listenLines(text: string, unit: string): readonly Listening[] {
  const lines = parseUnit(text, unit).filter(({ section, key }) => section === "Socket" && key.startsWith("Listen"));
  return lines
    .slice(lines.findLastIndex(({ value }) => value === "") + 1)
    .map(({ key, value }) => ({ type: key.slice("Listen".length), address: value }));
}
