import { existsSync } from "node:fs";
import { basename, dirname } from "node:path";
import { KeelsonError } from "../errors.ts";
import { hostPlaces } from "../plan/places.ts";
import { programPath, runProgram } from "./program.ts";
import { openOfflineSystemd } from "./systemd-offline.ts";

const timeout = 60_000;

/**
 * The Systemd of a boot that has not come to the system bus yet: systemctl reaches the manager over its own socket. Nothing of
 * keelson's is up; units are enabled by their links, and a stop takes back a start that is waiting for its turn.
 */
export function openEarlySystemd(tmpfiles: (action: "create" | "remove", path: string) => Promise<void>) {
  const offline = openOfflineSystemd("/", tmpfiles);
  const wanting = new Set<string>();
  return {
    ...offline,
    running: true,
    enable: async (unit: string) => {
      const links = await offline.enable(unit);
      for (const { path } of links) {
        const [, by] = /^(.+)\.(?:wants|requires|upholds)$/.exec(basename(dirname(path))) ?? [];
        if (by !== undefined) wanting.add(by);
      }
      return links;
    },
    reload: async () => {
      await systemctl("daemon-reload");
      await bringAlong([...wanting]);
      wanting.clear();
    },
    start: async (unit: string) => {
      throw new KeelsonError("E_START", `${unit} cannot be started: the system bus is not there yet`, {
        hint: "Wait until the host has booted.",
      });
    },
    stop: async (unit: string) => {
      // One that is gone is stopped.
      if (existsSync(`${hostPlaces.units}/${unit}`)) await systemctl("stop", unit);
    },
  };
}

/**
 * What the boot starts was settled before the links of what has just been enabled were there. Said again of those that are part
 * of this boot, it takes in what they want by now; nobody waits for it.
 */
async function bringAlong(units: readonly string[]): Promise<void> {
  const bound = [];
  for (const unit of units) {
    const state = await systemctl("show", "--property=Job,ActiveState", unit);
    if (/^Job=[1-9]|^ActiveState=active$/m.test(state)) bound.push(unit);
  }
  if (bound.length > 0) await systemctl("--no-block", "start", ...bound);
}

async function systemctl(...argv: readonly string[]): Promise<string> {
  const program = programPath("systemctl");
  const result = program === undefined ? undefined : await runProgram(program, argv, timeout);
  if (result?.status === 0) return result.stdout;
  throw new KeelsonError("E_SYSTEMD", `systemctl ${argv.join(" ")}: ${result?.stderr.trim() || "failed"}`, {
    hint: "See systemctl status and the journal of the boot.",
  });
}
