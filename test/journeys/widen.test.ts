import { cp, rm } from "node:fs/promises";
import { join } from "node:path";
import { beforeAll, expect, it } from "vitest";
import type { JsonObject } from "../../src/image/json.ts";
import { openShelf } from "../bed/image-shelf.ts";
import type { TestImage } from "../bed/images.ts";
import { failureOf, makeHost } from "../bed/journey.ts";
import type { LayerFiles } from "../bed/layer-files.ts";
import { scratchDirectory } from "../bed/scratch.ts";
import { differingPaths } from "../bed/snapshot.ts";
import * as of from "../plan/deployments.ts";

const shelf = openShelf();
const service = ["[Service]", "ExecStart=$EXEC_START", "[Install]", "WantedBy=multi-user.target", ""];
const proc = { destination: "/proc", type: "proc", source: "proc" };
const protectedPaths = { maskedPaths: ["/proc/kcore"], readonlyPaths: ["/proc/sys"] };
const baseConfig = of.confinedWith({ mounts: [proc, { ...of.bind("/srv", "ro") }], linux: protectedPaths });
const base: LayerFiles = {
  "usr/bin/x": "",
  "exports/service.template": service.join("\n"),
  "exports/config.json.template": JSON.stringify(baseConfig),
  "exports/tmpfiles.template": "d $STATE_DIRECTORY/$NAME 0700 0 0 - -\n",
};

/** The image with these files in place of its own. */
const imageWith = (changed: LayerFiles): Promise<TestImage> => shelf.build({ layers: [base, changed] });
const config = (changed: JsonObject): LayerFiles => ({
  "exports/config.json.template": JSON.stringify({ ...baseConfig, ...changed }),
});
const ofProcess = (changed: JsonObject): LayerFiles => config({ process: { ...baseConfig.process, ...changed } });
const ofLinux = (changed: JsonObject): LayerFiles => config({ linux: { ...baseConfig.linux, ...changed } });
/** The unit with these lines before its own. */
const unitWith = (...lines: readonly string[]): LayerFiles => ({
  "exports/service.template": [...lines, ...service].join("\n"),
});
const tmpfiles = (line: string): LayerFiles => ({ "exports/tmpfiles.template": `${line}\n` });

const fuse = { path: "/dev/fuse", type: "c", major: 10, minor: 229 };
const disks = { allow: true, type: "b", major: 8, access: "r" };
const bpf = { names: ["bpf"], action: "SCMP_ACT_ALLOW" };
const rootOfTheHost = {
  process: { ...baseConfig.process, user: { uid: 0 } },
  linux: { ...baseConfig.linux, uidMappings: [{ containerID: 0, hostID: 0, size: 1 }] },
};

let plain: TestImage;
let wide: TestImage;
beforeAll(async () => {
  plain = await imageWith({});
  wide = await imageWith(ofProcess({ capabilities: { ambient: ["CAP_NET_ADMIN", "CAP_SYS_TIME"] } }));
});

/** What a config.json, or what an image brings for the host, makes wider, and how that is said. */
const rows: readonly (readonly [string, LayerFiles])[] = [
  ["runs as root", config(rootOfTheHost)],
  ["has capability CAP_NET_ADMIN", ofProcess({ capabilities: { ambient: ["CAP_NET_ADMIN"] } })],
  ["may gain capability CAP_SYS_ADMIN", ofProcess({ capabilities: { bounding: ["CAP_SYS_ADMIN"] } })],
  ["may gain privileges by set-id programs", ofProcess({ noNewPrivileges: false })],
  ["shares with the host the namespace network", ofLinux(of.withoutNamespaces("network").linux)],
  ["has the device node /dev/fuse c 10:229", ofLinux({ devices: [fuse] })],
  ["may use the devices b 8:* r", ofLinux({ resources: { devices: [disks] } })],
  ["may write to the host's /srv", config({ mounts: [proc, of.bind("/srv")] })],
  [
    "may read the host's /etc",
    config({ mounts: [...baseConfig.mounts, { ...of.bind("/etc", "ro"), destination: "/y" }] }),
  ],
  ["may write to /proc/sys", ofLinux({ readonlyPaths: [] })],
  ["has no seccomp filter", ofLinux({ seccomp: undefined })],
  ["may make the system call bpf", ofLinux({ seccomp: { ...baseConfig.linux.seccomp, syscalls: [bpf] } })],
  ["runs on the host: ExecStartPre=/bin/echo hello", unitWith("[Service]", "ExecStartPre=/bin/echo hello")],
  ["reaches into other units: Conflicts=other.service", unitWith("[Unit]", "Conflicts=other.service")],
  ["asks systemd-tmpfiles for L /etc/motd - - - - /srv/motd", tmpfiles("L /etc/motd - - - - /srv/motd")],
  ["asks systemd-tmpfiles for d /etc 0777 - - - -", tmpfiles("d /etc 0777 - - - -")],
  ["puts on the host /usr/local/bin/tool", { "exports/hostfs/usr/local/bin/tool": "tool\n" }],
];

it("an update to an image that widens is refused with the list, whatever it widens, and changes nothing", async () => {
  const host = await makeHost();
  await host.answer("install", "--name", "foo", plain.reference);
  const before = await host.snapshot();
  for (const [line, files] of rows) {
    const image = await imageWith(files);
    const ran = await host.keelson("--json", "update", "foo", "--rebase", image.reference);
    const { code, message } = failureOf(ran);
    const [title, ...list] = message.split("\n");
    expect([ran.status, code, title, list], line).toEqual([
      ...[11, "E_WIDENS", "the new foo may do more than the one that is installed:"],
      expect.arrayContaining([`  it ${line}`]),
    ]);
    expect(differingPaths(before, await host.snapshot()), line).toEqual([]);
  }
});

it("with --allow-widen it passes, of every kind at once; to narrow all of it again passes by itself", async () => {
  const host = await makeHost();
  await host.answer("install", "--name", "foo", plain.reference);
  const process = { ...baseConfig.process, ...rootOfTheHost.process, noNewPrivileges: false };
  const capabilities = { ambient: ["CAP_NET_ADMIN"] };
  const linux = { namespaces: [{ type: "mount" }], devices: [fuse], resources: { devices: [disks] } };
  const all = await imageWith({
    ...config({ process: { ...process, capabilities }, mounts: [proc, of.bind("/")], linux }),
    ...unitWith("[Unit]", "Conflicts=other.service"),
  });
  const rebase = ["update", "foo", "--rebase", all.reference];
  const { privileges } = (await host.plan(...rebase)) as unknown as { readonly privileges: Widened };
  const kinds = [
    "capability",
    "device",
    "host",
    "host-path",
    "kernel-path",
    "namespace",
    "new-privileges",
    "root",
    "seccomp",
  ];
  expect([...new Set(privileges.widened.map(({ kind }) => kind))].sort()).toEqual(kinds);
  expect((await host.refused(11, ...rebase)).code).toBe("E_WIDENS");
  expect(await host.answer(...rebase, "--allow-widen")).toMatchObject({ updated: true });
  const back = ["update", "foo", "--rebase", plain.reference];
  const narrowed = (await host.plan(...back)) as unknown as { readonly privileges: Widened };
  expect(narrowed.privileges.widened).toEqual([]);
  expect(await host.answer(...back)).toMatchObject({ updated: true });
});

interface Widened {
  readonly widened: readonly { readonly kind: string }[];
}

it("is refused for people with the whole list, and plan shows what it is", async () => {
  const host = await makeHost();
  await host.answer("install", "--name", "foo", plain.reference);
  const { status, stdout, stderr } = await host.keelson("-q", "update", "foo", "--rebase", wide.reference);
  expect([status, stdout, stderr.split("\n")]).toEqual([
    11,
    "",
    [
      "keelson: the new foo may do more than the one that is installed:",
      "  it has capability CAP_NET_ADMIN, CAP_SYS_TIME (E_WIDENS)",
      "  keelson plan update foo shows all of the change; --allow-widen lets it pass.",
      "",
    ],
  ]);
  const plan = await host.keelson("plan", "update", "foo", "--rebase", wide.reference);
  expect([plan.status, plan.stdout.split("\n").filter((text) => text.startsWith("+ the"))]).toEqual([
    10,
    ["+ the container has capability CAP_NET_ADMIN, CAP_SYS_TIME"],
  ]);
});

it("--all goes on to the others, and ends with 1", async () => {
  const [host, place] = [await makeHost(), scratchDirectory()];
  const put = async (name: string, image: TestImage): Promise<void> => {
    await rm(join(place, name), { recursive: true, force: true });
    await cp(image.directory, join(place, name), { recursive: true });
  };
  for (const name of ["a", "b"]) {
    await put(name, plain);
    await host.answer("install", `oci:${join(place, name)}:latest`, "--name", name);
  }
  await put("a", wide);
  await put("b", await imageWith({ "usr/bin/more": "" }));
  const before = await host.snapshot();
  const { status, stdout, stderr } = await host.keelson("--json", "update", "--all");
  expect([status, JSON.parse(stdout)]).toEqual([
    1,
    [
      { name: "a", error: expect.objectContaining({ code: "E_WIDENS" }) },
      expect.objectContaining({ name: "b", updated: true, generation: 2 }),
    ],
  ]);
  expect(stderr).toContain("warning: a: the new a may do more than the one that is installed:\n  it has capability");
  const ofA = differingPaths(before, await host.snapshot()).filter((path) => path.includes("/deployments/a"));
  expect(ofA).toEqual([]);
  expect(await host.answer("update", "--all", "--allow-widen")).toMatchObject([{ updated: true }, { updated: false }]);
});

it("info says what a container may do", async () => {
  const host = await makeHost();
  await host.answer("install", "--name", "foo", wide.reference);
  const info = await host.answer<{ readonly privileges: readonly object[] }>("info", "foo");
  const said = ["has capability CAP_NET_ADMIN", "has capability CAP_SYS_TIME", "may read the host's /srv"];
  expect(info.privileges.slice(0, 3)).toEqual([
    { kind: "capability", text: said[0] },
    { kind: "capability", text: said[1] },
    { kind: "host-path", text: said[2] },
  ]);
  const { stdout } = await host.keelson("info", "foo");
  expect(stdout).toContain("\nthe container has capability CAP_NET_ADMIN, CAP_SYS_TIME\n");
  expect(stdout).toContain("\nthe container may read the host's /srv\n");
});
