import type { Host } from "./host.ts";

/** What faults are made with. */
export interface FaultBed {
  readonly host: Host;
  /** Installs the image `box` under a name. */
  installed(name: string, ...options: readonly string[]): Promise<unknown>;
  /** Adds to the unit of a container. */
  dropIn(name: string, text: string): Promise<void>;
  mask(name: string): Promise<unknown>;
  /** The start of a faulty service fails or goes on for ever; nobody waits for it here. */
  start(name: string): Promise<unknown>;
}

export function faultBed(host: Host): FaultBed {
  return {
    host,
    installed: (name, ...options) => host.install("box", "--name", name, ...options),
    dropIn: (name, text) => host.put(`/etc/systemd/system/${name}.service.d/fault.conf`, `${text}\n`),
    mask: async (name) => {
      await host.machine.ok(["ln", "-sf", "/dev/null", `/etc/systemd/system/${name}.service`]);
      await host.systemctl("daemon-reload");
    },
    start: (name) => host.systemctl("start", "--no-block", name),
  };
}
