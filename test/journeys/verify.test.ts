import { appendFile, chmod, lchown, mkdir, readdir, rm, symlink, unlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
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
  } as const;
  image = await shelf.build({ layers: [etcdLike(), layer] });
});

const rootfs = "/var/lib/keelson/deployments/foo/1/rootfs";

interface Verdict {
  readonly clean: boolean;
  readonly findings: readonly { readonly container: string | null; readonly path: string; readonly problem: string }[];
}

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
    expect(await host.answer("verify")).toEqual({ clean: true, findings: [] });
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
    ["a file that nobody installed", "/usr/share/deep/more", "foreign", (path) => writeFile(path, "")],
  ])("names %s in the deployment", async (_, path, problem, damage) => {
    const host = await installed();
    await damage(host.path(`${rootfs}${path}`));
    const { status, clean, findings } = await verdictOf(host, "foo");
    expect([status, clean]).toEqual([9, false]);
    expect(findings).toEqual([{ container: "foo", path: host.path(`${rootfs}${path}`), problem }]);
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
    expect(findings).toEqual([{ container: "foo", path, problem }]);
  });

  it("names a link that enables the unit and is gone", async () => {
    const host = await installed();
    const path = "/etc/systemd/system/multi-user.target.wants/foo.service";
    await unlink(host.path(path));
    expect((await verdictOf(host, "foo")).findings).toEqual([{ container: "foo", path, problem: "missing" }]);
  });

  it("takes a mount point that the runtime made for the runtime's", async () => {
    const host = await installed();
    await mkdir(host.path(`${rootfs}/proc`), { recursive: true });
    expect((await verdictOf(host, "foo")).status).toBe(0);
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
        { container: null, path: join(objects, regular), problem: "missing" },
      ]);
      await host.answer("pull", image.reference);
      expect((await host.keelson("verify")).status).toBe(0);
    },
  );
});
