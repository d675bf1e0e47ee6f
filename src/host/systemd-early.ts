import { existsSync } from "node:fs";
import { KeelsonError } from "../errors.ts";
import { unitDirectory } from "../plan/unit-links.ts";
import { programPath, runProgram } from "./program.ts";
import { openOfflineSystemd } from "./systemd-offline.ts";

const timeout = 60_000;

/**
 * The Systemd of a boot that has not come to the system bus yet: systemctl reaches the manager over its own socket. Nothing of
 * keelson's is up; units are enabled by their links, and a stop takes back a start that is waiting for its turn.
 */
export function openEarlySystemd(tmpfiles: (action: "create" | "remove", path: string) => Promise<void>) {
  return {
    ...openOfflineSystemd("/", tmpfiles),
    running: true,
    reload: () => systemctl("daemon-reload"),
    start: async (unit: string) => {
      throw new KeelsonError("E_START", `${unit} cannot be started: the system bus is not there yet`, {
        hint: "Wait until the host has booted.",
      });
    },
    stop: async (unit: string) => {
      // One that is gone is stopped.
      if (existsSync(`${unitDirectory}/${unit}`)) await systemctl("stop", unit);
    },
  };
}

async function systemctl(...argv: readonly string[]): Promise<void> {
  const program = programPath("systemctl");
  const result = program === undefined ? undefined : await runProgram(program, argv, timeout);
  if (result?.status === 0) return;
  throw new KeelsonError("E_SYSTEMD", `systemctl ${argv.join(" ")}: ${result?.stderr.trim() || "failed"}`, {
    hint: "See systemctl status and the journal of the boot.",
  });
}
