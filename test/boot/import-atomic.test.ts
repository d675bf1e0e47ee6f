import { chmod, mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { writeAtomic } from "../bed/atomic.ts";
import { buildImage, type TestImage } from "../bed/images.ts";
import { hostAt } from "../bed/journey.ts";
import { bootHost, type Host, inRegistry } from "./host.ts";
import { base, ends } from "./payloads.ts";

const config = {
  ociVersion: "1.0.2",
  process: {
    args: ["/bin/busybox", "sh", "/run.sh"],
    env: ["PATH=/bin", "WORD=$WORD"],
    cwd: "/",
    user: { uid: 0, gid: 0 },
  },
  root: { path: "rootfs", readonly: true },
  mounts: [
    { destination: "/proc", type: "proc", source: "proc" },
    { destination: "/data", type: "bind", source: "$STATE_DIRECTORY/$NAME", options: ["rbind", "rw", "mode=755"] },
  ],
  linux: { namespaces: [{ type: "pid" }, { type: "mount" }] },
};
const unit =
  "[Service]\nExecStart=$EXEC_START\nExecStop=$EXEC_STOP\nRestart=on-failure\nWorkingDirectory=$DESTDIR\n[Install]\nWantedBy=multi-user.target\n";

/** It leaves word of itself, or fails. */
const files = (script: string) => ({
  ...base(script),
  "data/.keep": "",
  "exports/manifest.json": '{"defaultValues": {"WORD": "none"}}',
  "exports/config.json.template": JSON.stringify(config),
  "exports/service.template": unit,
  "exports/tmpfiles.template": "d $STATE_DIRECTORY/$NAME 0700 0 0 - -\n",
});
const says = (version: number): string => `echo "${version} $WORD" >/data/said; ${ends}`;

let image: TestImage;
let host: Host;
let checkout: string;
beforeAll(async () => {
  image = await buildImage({ layers: [files(says(2))] });
  host = await bootHost({ svc: image });
  // Below the repository, which the machine sees.
  checkout = await mkdtemp(join(import.meta.dirname, "../.cache/atomic-"));
  await chmod(checkout, 0o755);
  for (const [name, script] of [
    ["svc", says(1)],
    ["bad", `[ $WORD = none ] && exit 1; true; ${says(1)}`],
  ] as const) {
    const runc = {
      RUNTIME: "/usr/sbin/runc",
      EXEC_START: `/usr/sbin/runc run '${name}'`,
      EXEC_STOP: `/usr/sbin/runc kill '${name}'`,
    };
    await writeAtomic(hostAt(checkout), {
      ...{ name, image: inRegistry("svc"), files: files(script), values: { ...runc, WORD: "given" } },
      info: { runtime: "/usr/sbin/runc" },
    });
  }
  await host.machine.ok(["cp", "-a", `${checkout}/.`, "/"]);
  await host.systemctl("daemon-reload");
  await host.machine.ok(["systemd-tmpfiles", "--create"]);
});
afterAll(async () => {
  await host?.machine.stop();
  await rm(checkout, { recursive: true, force: true });
  await image?.remove();
});

const said = (name: string) => host.machine.run(["cat", `/var/lib/${name}/said`]);

it("a service that atomic runs is stopped, taken over and started with --start, and runs as keelson's from then on", async () => {
  await host.systemctl("start", "svc.service");
  await expect.poll(() => said("svc")).toMatchObject({ stdout: "1 given\n" });
  const refused = await host.keelson("import", "atomic", "svc");
  expect(refused).toMatchObject({ status: 1, stderr: expect.stringContaining("it is running (E_ATOMIC)") });
  expect((await host.show("svc.service", "ActiveState")).ActiveState).toBe("active");

  await host.machine.ok(["rm", "/var/lib/svc/said"]);
  const imported = await host.answer("import", "atomic", "--start", "--soak", "500ms", "svc");
  expect(imported).toMatchObject({ name: "svc", started: true, set: { WORD: "given" }, enabled: true });
  await expect.poll(() => said("svc")).toMatchObject({ stdout: "1 given\n" });
  expect(await host.show("svc.service", "ActiveState", "Type", "NeedDaemonReload")).toEqual({
    ...{ ActiveState: "active", Type: "forking", NeedDaemonReload: "no" },
  });
  await host.machine.ok(["sh", "-c", String(imported.remove)]);

  await host.reboot();
  await expect.poll(() => host.show("svc.service", "ActiveState")).toEqual({ ActiveState: "active" });
  const update = await host.keelson("update", "--tls-verify=false", "--soak", "500ms", "svc");
  expect(update.status, update.stderr).toBe(0);
  await expect.poll(() => said("svc")).toMatchObject({ stdout: "2 given\n" });
  expect((await host.keelson("verify")).status).toBe(0);
});

it("one that does not come up as keelson's is atomic's again, and runs as it did", async () => {
  await host.systemctl("start", "bad.service");
  await expect.poll(() => said("bad")).toMatchObject({ stdout: "1 given\n" });
  await host.put("/etc/keelson/bad.d/odd.conf", "[environment]\nWORD = none\n");
  const before = await host.machine.ok(["cat", "/etc/systemd/system/bad.service", "/etc/tmpfiles.d/bad.conf"]);
  const ran = await host.keelson("import", "atomic", "--start", "--soak", "2s", "bad");
  expect(ran).toMatchObject({ status: 8, stderr: expect.stringContaining("bad is atomic's again") });
  expect(await host.machine.ok(["cat", "/etc/systemd/system/bad.service", "/etc/tmpfiles.d/bad.conf"])).toBe(before);
  expect(await host.show("bad.service", "ActiveState", "UnitFileState")).toEqual({
    ...{ ActiveState: "active", UnitFileState: "enabled" },
  });
  expect((await host.machine.run(["ls", "/var/lib/keelson/deployments"])).stdout).toBe("svc\n");
});
