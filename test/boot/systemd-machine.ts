import { join, resolve } from "node:path";
import { expect } from "vitest";
import { bootMachine, type Machine } from "../bed/nspawn.ts";

const repository = resolve(import.meta.dirname, "../..");
export const units = "/etc/systemd/system";

/** A booted machine, and calls of src/host/systemd.ts made inside it. */
export interface SystemdMachine {
  readonly machine: Machine;
  /** Makes the calls in one process and over one connection. */
  calls(...list: readonly unknown[]): Promise<readonly unknown[]>;
  put(path: string, text: string): Promise<void>;
  putUnit(unit: string, service: string, install?: string): Promise<void>;
  stateOf(unit: string): Promise<Record<string, unknown>>;
}

/** A shell script of one line as the whole of a service. */
export const shell = (script: string): string => `ExecStart=/bin/sh -c '${script}'`;
export const sleeping = "ExecStart=/bin/sleep infinity";

export async function bootSystemd(): Promise<SystemdMachine> {
  const machine = await bootMachine({ shared: [repository] });
  const put = async (path: string, text: string): Promise<void> => {
    await machine.ok(["tee", path], { input: text });
  };
  const calls = async (...list: readonly unknown[]): Promise<readonly unknown[]> => {
    const script = join(repository, "test/bed/systemd-calls.ts");
    const output = await machine.ok([process.execPath, script], { input: JSON.stringify(list) });
    const { running, answers } = JSON.parse(output) as {
      readonly running: boolean;
      readonly answers: readonly unknown[];
    };
    expect(running).toBe(true);
    return answers;
  };
  return {
    machine,
    calls,
    put,
    putUnit: (unit, service, install = "") => put(`${units}/${unit}`, `[Service]\n${service}\n[Install]\n${install}\n`),
    async stateOf(unit) {
      const [states] = (await calls(["states", [unit]])) as [Record<string, Record<string, unknown>>];
      return states[unit] ?? {};
    },
  };
}
