import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { renderConfig, renderTmpfiles, renderUnit, type Template } from "../../src/contract/template.ts";
import type { Values } from "../../src/contract/values.ts";
import type { Json } from "../../src/image/json.ts";
import { builtExamples } from "../bed/examples.ts";
import { run } from "./bundle.ts";

const home = await mkdtemp(join(tmpdir(), "keelson-unit-templates-"));
const bundle = join(home, "bundle");
const volume = join(home, "var/lib/web/srv data");
const folder = join(import.meta.dirname, "../../unit-templates");

const dockerCapabilities =
  "CHOWN DAC_OVERRIDE FSETID FOWNER MKNOD NET_RAW SETGID SETUID SETFCAP SETPCAP NET_BIND_SERVICE SYS_CHROOT KILL AUDIT_WRITE"
    .split(" ")
    .map((name) => `CAP_${name}`);

const given: Readonly<Record<string, Json>> = {
  NAME: "web",
  DESCRIPTION: "The web server",
  EXEC_START: "/usr/sbin/runc run -d --pid-file /run/web.pid web",
  EXEC_STOP: "",
  EXEC_STARTPRE: "/usr/sbin/runc delete -f web",
  BEFORE_NETWORK: false,
  TRIGGERED: false,
  EXEC_STOPPOST: "/usr/sbin/runc delete -f web",
  PIDFILE: "/run/web.pid",
  STOP_SIGNAL: "SIGQUIT",
  ARGS: ["/bin/busybox", "true"],
  ENV: ["PATH=/bin", 'GREETING=say "hi"\\ $HOME\n{{NAME}}'],
  CWD: "/work dir",
  UID: 0,
  GID: 0,
  ADDITIONAL_GIDS: [],
  CAPABILITIES: dockerCapabilities,
  VOLUMES: [{ source: volume, destination: "/srv/data" }],
  STATE_DIRECTORY: join(home, "var/lib"),
};

async function template(file: string): Promise<Template> {
  return { kind: "handlebars", name: file, text: await readFile(join(folder, file), "utf8") };
}

function valuesOf(changed: Readonly<Record<string, Json>>): Values {
  const all = Object.entries({ ...given, ...changed });
  return new Map(all.map(([name, value]) => [name, { value, origin: "keelson" }]));
}

/** What a program prints in a container of that configuration. */
async function runInside(script: string, changed: Readonly<Record<string, Json>> = {}): Promise<string> {
  const values = valuesOf({ ...changed, ARGS: ["/bin/busybox", "sh", "-c", script] });
  await writeFile(join(bundle, "config.json"), renderConfig(await template("config.json.hbs"), values));
  const runc = ["--root", join(home, "runc"), "run", "--bundle", bundle, `keelson-test-${process.pid}-web`];
  return (await run("runc", runc)).stdout;
}

beforeAll(async () => {
  const { "hello-world": hello } = await builtExamples();
  await run("umoci", ["unpack", "--image", `${hello.layout}:latest`, bundle]);
  await mkdir(volume, { recursive: true });
});
afterAll(() => rm(home, { recursive: true, force: true }));

describe("the configuration of an image that brings none", () => {
  it("gives the process its arguments, environment and directory unchanged", async () => {
    expect(await runInside('echo "$GREETING"; pwd; hostname')).toBe('say "hi"\\ $HOME\n{{NAME}}\n/work dir\nweb\n');
  });

  it("makes the root read-only, /run and /tmp writable, and volumes the host's", async () => {
    const script = "for at in / /run /tmp /srv/data; do busybox touch $at/new 2>/dev/null && echo $at; done";
    expect(await runInside(script)).toBe("/run\n/tmp\n/srv/data\n");
    expect((await run("ls", [volume])).stdout).toBe("new\n");
  });

  it("shares the host's network and its resolver, and nothing else of its namespaces", async () => {
    const inside = await runInside("for ns in net pid ipc uts mnt; do busybox readlink /proc/self/ns/$ns; done");
    const { stdout } = await run("sh", ["-c", "for ns in net pid ipc uts mnt; do readlink /proc/self/ns/$ns; done"]);
    const host = stdout.split("\n");
    expect(inside.split("\n").map((namespace, at) => namespace === host[at])).toEqual([
      true,
      false,
      false,
      false,
      false,
      true,
    ]);
    expect(await runInside("busybox cat /etc/resolv.conf")).toBe(await readFile("/etc/resolv.conf", "utf8"));
  });

  it("runs root with Docker's capabilities and anybody else with none in effect", async () => {
    const status = "busybox grep -E '^(Uid|Gid|Groups|Cap(Eff|Prm|Bnd))' /proc/self/status";
    const docker = "00000000a80425fb";
    const root = await runInside(status);
    const shown = (ids: string, groups: string, inEffect: string): string =>
      `${ids}Groups:\t${groups}\nCapPrm:\t${inEffect}\nCapEff:\t${inEffect}\nCapBnd:\t${docker}\n`;
    expect(root.replaceAll(" \n", "\n")).toBe(shown("Uid:\t0\t0\t0\t0\nGid:\t0\t0\t0\t0\n", "", docker));
    const other = await runInside(status, { UID: 1000, GID: 1001, ADDITIONAL_GIDS: [44, 45] });
    const ids = "Uid:\t1000\t1000\t1000\t1000\nGid:\t1001\t1001\t1001\t1001\n";
    expect(other.replaceAll(" \n", "\n")).toBe(shown(ids, "44 45", "0".repeat(16)));
  });

  it("is JSON without volumes too, and puts no mode on a bind mount", async () => {
    const config = JSON.parse(renderConfig(await template("config.json.hbs"), valuesOf({ VOLUMES: [] })));
    expect(config.root).toEqual({ path: "rootfs", readonly: true });
    expect(config.process.noNewPrivileges).toBe(false);
    for (const { type, options } of config.mounts) if (type === "bind") expect(options.join()).not.toContain("mode=");
  });
});

describe("the unit of an image that brings none", () => {
  it("9: starts after the network, comes back after a failure, and stops by the image's own signal", async () => {
    const text = renderUnit(await template("service.hbs"), valuesOf({}));
    expect(text).toBe(`[Unit]
Description=The web server
After=network.target

[Service]
ExecStart=/usr/sbin/runc run -d --pid-file /run/web.pid web
ExecStopPost=-/usr/sbin/runc delete -f web
PIDFile=/run/web.pid
KillSignal=SIGQUIT
Restart=on-failure

[Install]
WantedBy=multi-user.target
`);
  });

  it("waits for no network that comes later, and is not enabled beside what starts it", async () => {
    const text = renderUnit(await template("service.hbs"), valuesOf({ BEFORE_NETWORK: true, TRIGGERED: true }));
    expect(text).toMatch(/^\[Unit\]\nDescription=The web server\n\n\[Service\]\n/);
    expect(text).not.toMatch(/network|Install/);
  });
});

describe("the tmpfiles of an image that brings none", () => {
  it("make the state directory and each volume for the process's own user", async () => {
    const lines = renderTmpfiles(await template("tmpfiles.hbs"), valuesOf({ UID: 1000, GID: 1001 }));
    const file = join(home, "web.conf");
    await rm(volume, { recursive: true });
    await writeFile(file, lines);
    await run("systemd-tmpfiles", ["--create", file]);
    const shown = await run("stat", ["--format", "%u:%g %a %F", join(home, "var/lib/web"), volume]);
    expect(shown.stdout).toBe("0:0 755 directory\n1000:1001 755 directory\n");
  });

  it("are empty for an image without volumes", async () => {
    expect(renderTmpfiles(await template("tmpfiles.hbs"), valuesOf({ VOLUMES: [] }))).toBe("");
  });
});
