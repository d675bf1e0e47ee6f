import { afterAll, beforeAll, expect, it } from "vitest";
import { differingPaths, readDiskChanges } from "../../examples/demo/disk-changes.ts";
import { buildImage, type TestImage } from "../bed/images.ts";
import { bootHost, type Host, processesOf } from "./host.ts";
import { base, ends } from "./payloads.ts";

let host: Host;
let image: TestImage;
beforeAll(async () => {
  const config = {
    ociVersion: "1.0.2",
    process: { args: ["/bin/busybox", "sh", "/run.sh"], env: ["PATH=/bin", "SAYS=$WORD, $INSTANCE"], cwd: "/" },
    root: { path: "rootfs", readonly: true },
    mounts: [
      { destination: "/proc", type: "proc", source: "proc" },
      { destination: "/data", type: "bind", source: "$STATE_DIRECTORY/$NAME", options: ["rbind", "rw"] },
    ],
    linux: { namespaces: [{ type: "pid" }, { type: "mount" }] },
  };
  image = await buildImage({
    layers: [
      {
        ...base(`echo "$SAYS" >/data/said; ${ends}`),
        data: { kind: "directory" },
        "exports/config.json.template": JSON.stringify(config),
        "exports/service.template":
          "[Unit]\nDescription=%p for %i\n[Service]\nExecStart=$EXEC_START\n[Install]\nWantedBy=multi-user.target\n",
        "exports/tmpfiles.template": "d $STATE_DIRECTORY/$NAME 0755 0 0 - -\n",
        "exports/manifest.json":
          '{"defaultValues": {"WORD": "hello"}, "health": {"command": ["/bin/busybox", "true"], "interval": "100ms"}}',
      },
    ],
  });
  host = await bootHost({ web: image });
});
afterAll(async () => {
  await host?.machine.stop();
  await image?.remove();
});

const instances = ["my-web@a", "my-web@b", "my-web@crun"] as const;
const said = (name: string): Promise<string> => host.machine.ok(["cat", `/var/lib/${name}/said`]);

it("several instances of one image have values of their own, come up at boot, and are updated by themselves", async () => {
  const before = readDiskChanges(host.machine);
  await host.put("/etc/systemd/system/my-web@.service.d/all.conf", "[Unit]\nDocumentation=man:all\n");
  const changed = readDiskChanges(host.machine);
  for (const name of instances) {
    const runtime = name === "my-web@crun" ? ["--runtime", "/usr/bin/crun"] : [];
    await host.install("web", "--name", name, "--set", `WORD=I am ${name}`, ...runtime);
  }
  await host.reboot();
  for (const name of instances) {
    expect(await host.show(`${name}.service`, "ActiveState", "Description", "Documentation")).toEqual({
      ActiveState: "active",
      Description: `my-web for ${name.split("@")[1]}`,
      Documentation: "man:all",
    });
    expect(await said(name)).toBe(`I am ${name}, ${name.split("@")[1]}\n`);
    const groups = [...new Set(Object.values(await processesOf(host, name)))];
    expect(groups).toEqual([`/system.slice/system-my\\x2dweb.slice/${name}.service/container`]);
  }
  const pid = async (): Promise<string | undefined> => (await host.show("my-web@b.service", "MainPID")).MainPID;
  const other = await pid();
  const updated = await host.keelson("update", "--tls-verify=false", "--soak=500ms", "--set", "WORD=new", "my-web@a");
  expect(updated.status, updated.stderr).toBe(0);
  expect([await said("my-web@a"), await pid()]).toEqual(["new, a\n", other]);
  expect((await host.keelson("verify")).status).toBe(0);
  const list = (await host.keelson("list")).stdout;
  for (const name of instances) expect(list).toMatch(new RegExp(`^${name} .* active +yes`, "m"));

  for (const name of instances) expect((await host.keelson("uninstall", "--purge", name)).status).toBe(0);
  expect(differingPaths(changed, readDiskChanges(host.machine))).toEqual([]);
  expect(differingPaths(before, changed)).not.toEqual([]);
});

it("an instance of a template that is the host's is not taken, and a template is no name", async () => {
  await host.put("/etc/systemd/system/own@.service", "[Service]\nExecStart=/bin/true\n");
  const taken = await host.answer("install", "--name", "own@a", "--tls-verify=false", "localhost:1/x");
  expect(taken).toMatchObject({ error: { code: "E_NAME_TAKEN" } });
  const refused = await host.answer("install", "--name", "own@", "--tls-verify=false", "localhost:1/x");
  expect(refused).toMatchObject({ error: { code: "E_NAME" } });
});
