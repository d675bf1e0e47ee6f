import { copyFile, mkdir, readlink, rm, stat, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { etcdLike, serviceTemplate } from "../bed/etcd-like.ts";
import { openShelf } from "../bed/image-shelf.ts";
import { push, type TestImage } from "../bed/images.ts";
import { type Answer, type Host, makeHost } from "../bed/journey.ts";
import { startRegistry, type TestRegistry } from "../bed/registry.ts";

let registry: TestRegistry;
let etcd: TestImage;
let plain: TestImage;
const shelf = openShelf();

beforeAll(async () => {
  registry = await startRegistry();
  etcd = await shelf.build({ layers: [etcdLike(), { "etc/release": "2\n" }] });
  plain = await shelf.build({
    layers: [{ "etc/passwd": "web:x:33:34::/:/bin/sh\n", "usr/bin/serve": { kind: "file", content: "", mode: 0o755 } }],
    config: {
      entrypoint: ["/usr/bin/serve"],
      command: ["--port", "80"],
      environment: ["MODE=fast"],
      user: "web",
      workingDirectory: "/srv",
      volumes: ["/data"],
    },
  });
  await push(etcd.reference, `${registry.host}/org/etcd:v3`);
  await push(etcd.reference, `${registry.host}/org/etcd:latest`);
});

afterAll(() => registry.stop());

const installFrom = (host: Host, ...args: readonly string[]): Promise<Answer> =>
  host.answer("install", "--system", "--tls-verify=false", ...args);

it("1: install leaves deployment, link, unit and tmpfiles file in their places", async () => {
  const host = await makeHost();
  await installFrom(host, "--name", "foo", `docker://${registry.host}/org/etcd:v3`);

  const deployments = "/var/lib/keelson/deployments/foo";
  expect(await readlink(host.path(`${deployments}/current`))).toBe("1");
  expect(host.read(`${deployments}/1/rootfs/usr/bin/etcd`)).toBe("the etcd program\n");
  expect(JSON.parse(host.read(`${deployments}/1/config.json`)).process.args).toEqual([
    "/usr/bin/etcd",
    "--name",
    "foo",
  ]);
  expect(JSON.parse(host.read(`${deployments}/1/deployment.json`))).toMatchObject({ name: "foo", generation: 1 });
  expect(host.read("/etc/systemd/system/foo.service")).toContain("Description=Etcd Server foo\n");
  expect(host.read("/etc/tmpfiles.d/keelson-foo.conf")).toBe("d /var/lib/foo 0700 0 0 - -\nd /run/foo 0755 0 0 - -\n");
  expect(await readlink(host.path("/etc/systemd/system/multi-user.target.wants/foo.service"))).toBe(
    "/etc/systemd/system/foo.service",
  );
});

it("1: a deployment is closed to other users and its files are links of the store's", async () => {
  const host = await makeHost();
  await installFrom(host, "--name", "foo", etcd.reference);

  expect((await stat(host.path("/var/lib/keelson"))).mode & 0o777).toBe(0o700);
  expect((await stat(host.path("/var/lib/keelson/deployments/foo/1/rootfs/usr/bin/etcd"))).nlink).toBeGreaterThan(1);
});

it("2: install reloads, makes the state directories, enables, in this order, and never starts", async () => {
  const host = await makeHost();
  const { changes } = await installFrom(host, "--name", "foo", etcd.reference);

  const verbs = changes.map(({ kind }) => kind).filter((kind) => !["file", "directory", "symlink"].includes(kind));
  expect(verbs).toEqual(["current", "reload", "tmpfiles-create", "enable"]);
  const files = changes.filter(({ kind }) => kind === "file").map(({ path }) => path);
  expect(files.at(-1)).toBe("/etc/systemd/system/foo.service");
});

it("2: with --no-enable nothing is enabled", async () => {
  const host = await makeHost();
  const { changes } = await installFrom(host, "--no-enable", "--name", "foo", etcd.reference);

  expect(changes.map(({ kind }) => kind)).not.toContain("enable");
  expect(host.has("/etc/systemd/system/multi-user.target.wants")).toBe(false);
});

it("--start starts nothing below another root, and does not say that it did", async () => {
  const host = await makeHost();
  const plan = await host.plan("install", "--start", "--name", "foo", etcd.reference);
  expect(plan.changes.map(({ kind }) => kind)).not.toContain("start");
  const { stdout } = await host.keelson("install", "--start", "--name", "foo", etcd.reference);

  expect(stdout).not.toContain("started");
  expect(stdout).toContain("start it with: systemctl start foo");
});

it("the last line says how to start the service", async () => {
  const host = await makeHost();
  const { stdout } = await host.keelson("install", "--name", "foo", etcd.reference);

  expect(stdout.trimEnd().split("\n").at(-1)).toMatch(/^start it with: systemctl start foo\b/);
});

it("9: an image without /exports gets keelson's own unit and config.json, with a warning", async () => {
  const host = await makeHost();
  const { status, stderr } = await host.keelson("install", "--name", "web", plain.reference);

  expect(status).toBe(0);
  expect(stderr).toMatch(/^warning: .*\/exports/m);
  expect(host.read("/etc/systemd/system/web.service")).toContain("\nWantedBy=multi-user.target\n");
});

it("10: the default config.json runs the image's own command as its user, in its directory and environment", async () => {
  const host = await makeHost();
  await installFrom(host, "--name", "web", plain.reference);

  const config = JSON.parse(host.read("/var/lib/keelson/deployments/web/current/config.json"));
  expect(config.process).toMatchObject({
    args: ["/usr/bin/serve", "--port", "80"],
    cwd: "/srv",
    user: { uid: 33, gid: 34 },
    env: expect.arrayContaining(["MODE=fast"]),
  });
  expect(config.root).toEqual({ path: "rootfs", readonly: true });
  expect(config.mounts).toContainEqual(expect.objectContaining({ destination: "/data", source: "/var/lib/web/data" }));
  expect(host.read("/etc/tmpfiles.d/keelson-web.conf")).toContain('d "/var/lib/web/data" 0755 33 34 - -\n');
});

it.each([
  ["$PIDFILE", serviceTemplate],
  ["braced PIDFILE", serviceTemplate.replace("$PIDFILE", "$".concat("{PIDFILE}"))],
])("18: a unit with EXEC_STOPPOST and %s runs its container detached", async (_, template) => {
  const host = await makeHost();
  const built = await shelf.build({ layers: [etcdLike({ "exports/service.template": template })] });
  await installFrom(host, "--name", "foo", built.reference);

  const unit = host.read("/etc/systemd/system/foo.service");
  expect(unit).toMatch(/^ExecStart=.*\/usr\/sbin\/runc run -d --pid-file \/run\/container-foo\.pid .*foo\b/m);
  expect(unit).toMatch(/^ExecStopPost=-?.*runc delete .*foo/m);
  expect(unit).toMatch(/^Type=forking$/m);
});

it("18: a unit whose type needs the runtime to stay gets run and kill", async () => {
  const template = serviceTemplate.replace("[Service]", "[Service]\nType=oneshot").replace("Restart=on-failure\n", "");
  const built = await shelf.build({ layers: [etcdLike({ "exports/service.template": template })] });
  const host = await makeHost();
  await installFrom(host, "--name", "foo", built.reference);

  const unit = host.read("/etc/systemd/system/foo.service");
  expect(unit).toMatch(/^ExecStart=.*runc run (?!.*-d\b).*foo/m);
  expect(unit).toMatch(/^ExecStop=.*runc kill .*foo/m);
});

it("19: the runtime given with --runtime stands in the unit", async () => {
  const host = await makeHost();
  await copyFile("/bin/ls", host.path("/usr/sbin/ls"));
  await installFrom(host, "--runtime", "/usr/sbin/ls", "--name", "foo", etcd.reference);

  expect(host.read("/etc/systemd/system/foo.service")).toMatch(/^ExecStart=.*\/usr\/sbin\/ls run/m);
});

it.each([["/nope"], ["/usr/sbin"], ["runc"]])(
  "19: --runtime %s is not installed and nothing is made",
  async (runtime) => {
    const host = await makeHost();
    expect(await host.refused(1, "install", "--runtime", runtime, "--name", "foo", etcd.reference)).toMatchObject({
      code: "E_RUNTIME",
      message: expect.stringContaining("is not installed"),
    });
  },
);

it("20: without --name the name is the image's, the tag behind it unless it is latest, a digest dropped", async () => {
  const host = await makeHost();
  const repository = `${registry.host}/org/etcd`;
  const { name, digest } = await installFrom(host, `${repository}:v3`);
  expect(name).toBe("etcd-v3");
  expect((await installFrom(host, `${repository}:latest`)).name).toBe("etcd");
  await host.answer("uninstall", "etcd");
  expect((await installFrom(host, `${repository}@${digest}`)).name).toBe("etcd");
});

it("23: --rootfs makes the deployment's rootfs a link and its path in config.json absolute; uninstall leaves it", async () => {
  const host = await makeHost();
  await put(host, "/srv/tree/usr/bin/etcd", "theirs\n");
  await put(host, "/srv/tree/exports/config.json.template", String(etcdLike()["exports/config.json.template"]));
  await put(host, "/srv/tree/exports/manifest.json", String(etcdLike()["exports/manifest.json"]));
  const before = await host.snapshot();
  await installFrom(host, "--name", "foo", "--rootfs", "/srv/tree", etcd.reference);

  const deployment = "/var/lib/keelson/deployments/foo/current";
  expect(await readlink(host.path(`${deployment}/rootfs`))).toBe("/srv/tree");
  expect(JSON.parse(host.read(`${deployment}/config.json`)).root).toEqual({ path: "/srv/tree", readonly: true });
  await host.answer("uninstall", "foo");
  expect(await host.snapshot()).toEqual(before);
});

it("24: an image with noContainerService brings its host files and no unit", async () => {
  const manifest = JSON.stringify({ noContainerService: true });
  const files = { "exports/manifest.json": manifest, "exports/hostfs/opt/tool": "tool\n" };
  const built = await shelf.build({ layers: [files] });
  const host = await makeHost();
  const before = await host.snapshot();
  const { unit, changes } = await installFrom(host, "--name", "tool", built.reference);

  expect(unit).toBeNull();
  expect(changes.map(({ kind }) => kind)).not.toContain("enable");
  expect(changes.map(({ kind }) => kind)).not.toContain("reload");
  expect(host.read("/opt/tool")).toBe("tool\n");
  expect(host.has("/etc/systemd/system/tool.service")).toBe(false);
  await host.answer("uninstall", "tool");
  expect(await host.snapshot()).toEqual(before);
});

async function put(host: Host, path: string, content: string): Promise<void> {
  await mkdir(dirname(host.path(path)), { recursive: true });
  await rm(host.path(path), { force: true });
  await writeFile(host.path(path), content);
}
