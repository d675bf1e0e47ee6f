import {
  appendFile,
  chmod,
  lchown,
  mkdir,
  readdir,
  readFile,
  rm,
  symlink,
  truncate,
  unlink,
  writeFile,
} from "node:fs/promises";
import { dirname, join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { etcdLike } from "../bed/etcd-like.ts";
import { openShelf } from "../bed/image-shelf.ts";
import type { TestImage } from "../bed/images.ts";
import { type Host, makeHost } from "../bed/journey.ts";
import { run } from "../bed/run.ts";

const shelf = openShelf();
let image: TestImage;

beforeAll(async () => {
  const layer = {
    "usr/bin/tool": { kind: "file", content: "tool\n", mode: 0o755 },
    "usr/bin/link": { kind: "symlink", target: "tool" },
    "usr/share/deep/text": "text\n",
    pipe: { kind: "fifo" },
    device: { kind: "character", major: 1, minor: 3 },
  } as const;
  image = await shelf.build({ layers: [etcdLike(), layer] });
});

const rootfs = "/var/lib/keelson/deployments/foo/1/rootfs";

interface Verdict {
  readonly clean: boolean;
  readonly findings: readonly {
    readonly container: string | null;
    readonly generation: number | null;
    readonly path: string;
    readonly problem: string;
  }[];
  readonly dropIns: readonly { readonly container: string; readonly path: string }[];
}

const foo = { container: "foo", generation: 1 };
const store = { container: null, generation: null };

async function installed(): Promise<Host> {
  const host = await makeHost();
  await host.answer("install", "--name", "foo", image.reference);
  return host;
}

/** What verify says of the container, and its exit status; the container is gone afterwards. */
async function verdictOf(host: Host, ...args: readonly string[]): Promise<Verdict & { readonly status: number }> {
  const { status, stdout } = await host.keelson("--json", "verify", ...args);
  await host.answer("uninstall", "foo");
  return { ...(JSON.parse(stdout) as Verdict), status };
}

describe("72: verify", () => {
  it("finds nothing wrong with what has just been installed, and changes nothing", async () => {
    const host = await installed();
    const before = await host.snapshot();
    expect(await host.answer("verify")).toEqual({ clean: true, findings: [], dropIns: [] });
    expect(await host.snapshot()).toEqual(before);
    await host.answer("uninstall", "foo");
  });

  it.each<[string, string, string, (path: string) => Promise<unknown>]>([
    ["a changed byte", "/usr/bin/tool", "changed", (path) => writeFile(path, "tooL\n")],
    ["a changed mode", "/usr/bin/tool", "changed", (path) => chmod(path, 0o700)],
    ["a set-user-id bit", "/usr/bin/tool", "changed", (path) => chmod(path, 0o4755)],
    ["a changed owner", "/usr/bin/link", "changed", (path) => lchown(path, 7, 7)],
    ["an added attribute", "/usr/bin/tool", "changed", (path) => run("setfattr", "-n", "user.x", "-v", "1", path)],
    [
      "another target of a symlink",
      "/usr/bin/link",
      "changed",
      (path) => unlink(path).then(() => symlink("other", path)),
    ],
    ["a missing file", "/usr/share/deep/text", "missing", (path) => unlink(path)],
    ["a missing directory", "/usr/share/deep", "missing", (path) => rm(path, { recursive: true })],
    ["a directory's mode", "/usr/share", "changed", (path) => chmod(path, 0o777)],
    ["a file in place of a fifo", "/pipe", "changed", (path) => unlink(path).then(() => writeFile(path, ""))],
    [
      "another device",
      "/device",
      "changed",
      (path) => unlink(path).then(() => run("mknod", "-m", "644", path, "c", "1", "5")),
    ],
    ["the mode of its root", "", "changed", (path) => chmod(path, 0o777)],
    ["a file that nobody installed", "/usr/share/deep/more", "foreign", (path) => writeFile(path, "")],
  ])("names %s in the deployment", async (_, path, problem, damage) => {
    const host = await installed();
    await damage(host.path(`${rootfs}${path}`));
    const { status, clean, findings } = await verdictOf(host, "foo");
    expect([status, clean]).toEqual([9, false]);
    expect(findings).toEqual([{ ...foo, path: host.path(`${rootfs}${path}`), problem }]);
  });

  it.each([
    ["/etc/systemd/system/foo.service", "changed"],
    ["/etc/tmpfiles.d/keelson-foo.conf", "changed"],
    ["/etc/foo/etcd.conf", "changed"],
    ["/var/lib/keelson/deployments/foo/1/config.json", "changed"],
  ])("names %s when it was edited", async (path, problem) => {
    const host = await installed();
    await appendFile(host.path(path), "# edited\n");
    const { status, findings } = await verdictOf(host, "foo");
    expect(status).toBe(9);
    expect(findings).toEqual([{ ...foo, path, problem }]);
  });

  it("names a link that enables the unit and is gone", async () => {
    const host = await installed();
    const path = "/etc/systemd/system/multi-user.target.wants/foo.service";
    await unlink(host.path(path));
    expect((await verdictOf(host, "foo")).findings).toEqual([{ ...foo, path, problem: "missing" }]);
  });

  it("names what is wrong in a deployment that could be gone back to", async () => {
    const host = await installed();
    await host.answer("update", "--set", "PORT=1", "foo");
    await unlink(host.path(`${rootfs}/usr/bin/link`));
    await appendFile(host.path("/var/lib/keelson/deployments/foo/1/config.json"), " ");
    await appendFile(host.path("/var/lib/keelson/deployments/foo/2/config.json"), " ");
    const { findings } = await verdictOf(host, "foo");
    expect(findings).toEqual([
      { ...foo, path: host.path(`${rootfs}/usr/bin/link`), problem: "missing" },
      { ...foo, path: "/var/lib/keelson/deployments/foo/1/config.json", problem: "changed" },
      { ...foo, generation: 2, path: "/var/lib/keelson/deployments/foo/2/config.json", problem: "changed" },
    ]);
  });

  it("names a record of an earlier deployment that cannot be read", async () => {
    const host = await installed();
    await host.answer("update", "--set", "PORT=1", "foo");
    const record = host.path("/var/lib/keelson/deployments/foo/1/deployment.json");
    await writeFile(record, "{");
    expect((await verdictOf(host)).findings).toEqual([{ ...foo, path: record, problem: "changed" }]);
  });

  it("names a file of the host that changed hands", async () => {
    const host = await installed();
    await lchown(host.path("/etc/foo/etcd.conf"), 7, 0);
    expect((await verdictOf(host)).findings).toEqual([{ ...foo, path: "/etc/foo/etcd.conf", problem: "changed" }]);
  });

  it("names an administrator's additions to the unit, wherever they are, and takes none for a finding", async () => {
    const host = await installed();
    const names = ["/etc/systemd/system/foo.service.d/b.conf", "/usr/lib/systemd/system/foo.service.d/a.conf"];
    for (const path of [...names, "/etc/systemd/system/foo.service.d/notes.txt"]) {
      await mkdir(dirname(host.path(path)), { recursive: true });
      await writeFile(host.path(path), "[Service]\nMemoryMax=1G\n");
    }
    const before = await host.snapshot();
    const dropIns = names.map((path) => ({ container: "foo", path }));
    expect(await host.answer("verify", "foo")).toEqual({ clean: true, findings: [], dropIns });
    expect((await host.keelson("verify")).stdout).toBe(
      ["1 containers as they were installed", ...names.map((path) => `foo: ${path} adds to the unit`), ""].join("\n"),
    );
    expect(await host.answer("info", "foo")).toMatchObject({ dropIns: names });
    expect((await host.keelson("info", "foo")).stdout).toContain(`drop-in: ${names[0]}\n`);
    expect(await host.snapshot()).toEqual(before);
    await host.answer("uninstall", "foo");
    expect(host.has(names[0] ?? "")).toBe(true);
  });

  it("takes a mount point that the runtime made for the runtime's", async () => {
    const host = await installed();
    await mkdir(host.path(`${rootfs}/proc`), { recursive: true });
    expect((await verdictOf(host, "foo")).status).toBe(0);
  });

  it.each<[string, string, (path: string) => Promise<unknown>, string]>([
    ["a lost manifest or configuration", "images/blobs/sha256", (path) => unlink(path), "missing"],
    ["a damaged manifest or configuration", "images/blobs/sha256", (path) => appendFile(path, " "), "changed"],
    ["a lost change list", "images/layers", (path) => unlink(path), "missing"],
    ["a damaged change list", "images/layers", (path) => truncate(path, 100), "changed"],
    ["a lost ref", "repo/refs/heads/keelson/image", (path) => unlink(path), "missing"],
    ["a changed ref", "repo/refs/heads/keelson/image", (path) => writeFile(path, `${"0".repeat(64)}\n`), "changed"],
  ])("names %s of the store", async (_, directory, damage, problem) => {
    const host = await installed();
    await host.answer("pull", image.reference);
    const place = host.path(`/var/lib/keelson/${directory}`);
    for (const name of await readdir(place)) {
      const path = join(place, name);
      const whole = await readFile(path);
      await damage(path);
      const { status, stdout } = await host.keelson("--json", "verify");
      expect(status).toBe(9);
      expect((JSON.parse(stdout) as Verdict).findings).toEqual([{ ...store, path, problem }]);
      const ofContainer = await host.keelson("--json", "verify", "foo");
      const known = directory.startsWith("repo") ? [] : [{ ...store, path, problem }];
      expect((JSON.parse(ofContainer.stdout) as Verdict).findings).toEqual(known);
      await writeFile(path, whole);
    }
    expect((await host.keelson("verify")).status).toBe(0);
  });

  it.each(["dirtree", "dirmeta", "commit", "file"])(
    "names a lost %s object of the store, which pull brings back",
    async (kind) => {
      const host = await installed();
      await host.answer("pull", image.reference);
      await host.answer("uninstall", "foo");
      const objects = host.path("/var/lib/keelson/repo/objects");
      const names = (await readdir(objects, { recursive: true })).filter((name) => name.endsWith(`.${kind}`)).sort();
      const regular = names.find((name) => !name.includes("link")) ?? "";
      await rm(join(objects, regular));
      const { status, stdout } = await host.keelson("--json", "verify");
      expect(status).toBe(9);
      expect((JSON.parse(stdout) as Verdict).findings).toEqual([
        { ...store, path: join(objects, regular), problem: "missing" },
      ]);
      await host.answer("pull", image.reference);
      expect((await host.keelson("verify")).status).toBe(0);
    },
  );
});
