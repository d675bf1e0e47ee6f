import { afterAll, beforeAll, expect, it } from "vitest";
import { buildImage, type TestImage } from "../bed/images.ts";
import { bootHost, type Host } from "./host.ts";
import { base, ends } from "./payloads.ts";

const phases = ["early", "basic", "pre-network", "pre-runtime", "normal"] as const;
let host: Host;
let image: TestImage;
beforeAll(async () => {
  image = await buildImage({
    layers: [{ ...base(`busybox touch /data/started; ${ends}`), data: { kind: "directory" } }],
    config: { entrypoint: ["/bin/busybox", "sh", "/run.sh"], environment: ["PATH=/bin"], volumes: ["/data"] },
  });
  host = await bootHost({ box: image });
});
afterAll(async () => {
  await host?.machine.stop();
  await image?.remove();
});

/** Microseconds at which a unit began to start, and at which it was up. */
async function timesOf(unit: string): Promise<{ readonly begun: number; readonly up: number }> {
  const properties = ["InactiveExitTimestampMonotonic", "ActiveEnterTimestampMonotonic"] as const;
  const shown = await host.show(unit, ...properties);
  const [begun, up] = properties.map((property) => Number(shown[property]));
  return { begun: begun ?? 0, up: up ?? 0 };
}

it("containers of every phase come up in their places at boot, with nothing that systemd has to leave out", async () => {
  // What nothing in this machine pulls in, a network and a runtime have to be there to come before.
  const later =
    "[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/true\n[Install]\nWantedBy=multi-user.target\n";
  await host.put(
    "/etc/systemd/system/configure.service",
    `[Unit]\nDefaultDependencies=no\nAfter=network-pre.target\n${later}`,
  );
  await host.put("/etc/systemd/system/docker.service", later);
  await host.systemctl("enable", "configure", "docker");
  for (const phase of phases) await host.install("box", "--name", phase, "--phase", phase);
  await host.reboot();

  const at = Object.fromEntries(
    await Promise.all(phases.map(async (name) => [name, await timesOf(`${name}.service`)])),
  ) as Readonly<Record<(typeof phases)[number], { readonly begun: number; readonly up: number }>>;
  const [sysinit, basic, configure, docker, tmpfiles] = await Promise.all(
    ["sysinit.target", "basic.target", "configure.service", "docker.service", "systemd-tmpfiles-setup.service"].map(
      timesOf,
    ),
  );
  for (const phase of phases) {
    expect([phase, await host.show(`${phase}.service`, "ActiveState", "NRestarts")]).toEqual([
      phase,
      { ActiveState: "active", NRestarts: "0" },
    ]);
    expect(at[phase].begun).toBeGreaterThan(0);
    await host.machine.ok(["test", "-e", `/var/lib/${phase}/data/started`]);
  }
  expect(at.early.begun).toBeGreaterThan(tmpfiles?.up ?? 0);
  expect(at.early.up).toBeLessThan(sysinit?.up ?? 0);
  expect(at.basic.begun).toBeGreaterThan(sysinit?.up ?? 0);
  expect(at.basic.up).toBeLessThan(basic?.up ?? 0);
  expect(at["pre-network"].up).toBeLessThan(configure?.begun ?? 0);
  expect(at["pre-runtime"].up).toBeLessThan(docker?.begun ?? 0);
  expect(at.normal.begun).toBeGreaterThan(basic?.up ?? 0);
  expect(await host.machine.ok(["journalctl", "-b", "--no-pager", "_PID=1"])).not.toMatch(/ordering cycle/i);
});

it("systemd finds nothing to say about their units, and a shutdown stops them all in time", async () => {
  const units = phases.map((name) => `/etc/systemd/system/${name}.service`);
  const silence = { status: 0, stdout: "", stderr: "" };
  expect(await host.machine.run(["systemd-analyze", "verify", ...units])).toEqual(silence);
  const begun = performance.now();
  await host.machine.shutdown();
  expect(performance.now() - begun).toBeLessThan(5000);
});
