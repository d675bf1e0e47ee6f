import { lstat, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { openShelf } from "../bed/image-shelf.ts";
import type { TestImage } from "../bed/images.ts";
import { type Host, makeHost } from "../bed/journey.ts";
import { type LayerFiles, packLayer } from "../bed/layer-files.ts";
import { run } from "../bed/run.ts";
import { takeSnapshot } from "../bed/snapshot.ts";

const shelf = openShelf();

const link = (target: string) => ({ kind: "symlink", target }) as const;

async function scratch(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), "keelson-unpack-"));
  onTestFinished(() => rm(path, { recursive: true, force: true }));
  return path;
}

/** A layer of these files without entries for the directories above them, nor for those named in `without`. */
async function bareLayer(files: LayerFiles, without: readonly string[] = []): Promise<Uint8Array> {
  const directory = await scratch();
  const archive = join(directory, "layer.tar");
  await packLayer(files, archive);
  const all = (await run("tar", "-tf", archive)).trimEnd().split("\n");
  const named = new Set(Object.keys(files).map((path) => `./${path}`));
  const unwanted = all.filter((name) => !named.has(name.replace(/\/$/, "")) || without.includes(name.slice(2)));
  if (unwanted.length > 0) await run("tar", "--no-recursion", "--delete", "-f", archive, ...unwanted);
  return readFile(archive);
}

/** What umoci makes of an image. */
async function umociTree(image: TestImage): Promise<string> {
  const bundle = join(await scratch(), "bundle");
  await run("umoci", "unpack", "--image", `${image.directory}:latest`, bundle);
  return join(bundle, "rootfs");
}

/** Where keelson puts the tree of an image it installs. */
async function keelsonTree(host: Host, image: TestImage): Promise<string> {
  const answer = await host.keelson("install", "--name", "foo", image.reference);
  expect(answer.status, answer.stderr).toBe(0);
  return host.path("/var/lib/keelson/deployments/foo/current/rootfs");
}

/** Which files of a tree are one file under several names. */
async function linkGroups(root: string): Promise<readonly (readonly string[])[]> {
  const groups = new Map<number, string[]>();
  for (const path of await readdir(root, { recursive: true })) {
    const stat = await lstat(join(root, path));
    if (stat.isFile()) groups.set(stat.ino, [...(groups.get(stat.ino) ?? []), path].sort());
  }
  return [...groups.values()].filter((paths) => paths.length > 1).sort();
}

const command = { config: { command: ["/bin/true"] } };

const rows: readonly (readonly [string, () => Promise<readonly (LayerFiles | Uint8Array)[]>])[] = [
  [
    "modes, owners, xattrs, fifos and devices",
    async () => [
      {
        "bin/su": { kind: "file", content: "su\n", mode: 0o4755 },
        tmp: { kind: "directory", mode: 0o1777 },
        "home/user": { kind: "directory", mode: 0o2750, uid: 1000, gid: 1001 },
        "home/user/file": { kind: "file", content: "f\n", mode: 0o600, uid: 1000, gid: 1001 },
        "bin/ping": { kind: "file", content: "p\n", mode: 0o755, xattrs: { "user.note": "hello" } },
        "run/pipe": { kind: "fifo", mode: 0o620 },
        "dev/null": { kind: "character", major: 1, minor: 3, mode: 0o666 },
        lib: link("usr/lib"),
        empty: "",
      },
    ],
  ],
  [
    "whiteouts of files, directories and links",
    async () => [
      { "etc/a": "a\n", "etc/b": "b\n", "dir/x/y": "y\n", "dir/z": "z\n", ln: link("etc/a"), keep: "k\n" },
      { "etc/.wh.a": "", "dir/.wh.x": "", ".wh.ln": "", "etc/c": "c\n" },
      { "etc/a": "again\n", ".wh.dir": "" },
    ],
  ],
  [
    "an opaque directory, which hides what lies below and not what its own layer brings",
    async () => [
      { "opaque/old": "1\n", "opaque/deep/old": "2\n", "other/old": "3\n" },
      { "opaque/.wh..wh..opq": "", "opaque/new": "4\n", "opaque/deep/new": "5\n" },
      { "opaque/newer": "6\n" },
    ],
  ],
  [
    "directories, files and links that take each other's places",
    async () => [
      {
        "d2f/inner": "1\n",
        f2d: "2\n",
        l2f: link("keep"),
        f2l: "3\n",
        "d2l/inner": "4\n",
        keep: "5\n",
        l2d: link("/keep"),
      },
      { d2f: "file\n", "f2d/inner": "6\n", l2f: "own\n", f2l: link("keep"), d2l: link("keep"), "l2d/inner": "7\n" },
    ],
  ],
  [
    "hard links inside a layer and into a lower one",
    async () => [
      { one: "same\n", two: { kind: "hardlink", target: "one" }, lower: "lower\n" },
      await bareLayer({ lower: "lower\n", upper: { kind: "hardlink", target: "lower" } }, ["lower"]),
      { one: "changed\n" },
    ],
  ],
  [
    "entries below a symlink, which leads inside the image only",
    async () => [
      { "real/a": "a\n", ln: link("real"), abs: link("/real"), up: link("../../../../real") },
      await bareLayer({ "ln/b": "b\n" }),
      await bareLayer({ "abs/c": "c\n" }),
      await bareLayer({ "up/d": "d\n" }),
      await bareLayer({ "ln/.wh.a": "" }),
    ],
  ],
  [
    "a directory that changes its mode and owner and keeps what it holds",
    async () => [
      { dir: { kind: "directory", mode: 0o700 }, "dir/a": "a\n" },
      await bareLayer({ dir: { kind: "directory", mode: 0o751, uid: 5, gid: 6 } }),
    ],
  ],
  ["directories that no entry names", async () => [await bareLayer({ "a/b/c/file": "f\n" })]],
];

it.each(rows)("68: %s unpack exactly as umoci unpacks them", async (_, layers) => {
  const host = await makeHost();
  const image = await shelf.build({ layers: await layers(), ...command });
  const [ours, theirs] = await Promise.all([keelsonTree(host, image), umociTree(image)]);

  expect(await takeSnapshot(ours)).toEqual(await takeSnapshot(theirs));
  for (const group of await linkGroups(theirs)) {
    expect(await linkGroups(ours)).toContainEqual(expect.arrayContaining([...group]));
  }
});

it("68: file capabilities arrive in the deployment", async () => {
  const value = "0sAQAAAgAgAAAAAAAAAAAAAAAAAAA=";
  const file = { kind: "file", content: "p\n", mode: 0o755, xattrs: { "security.capability": value } } as const;
  const image = await shelf.build({ layers: [{ "bin/ping": file }], ...command });
  const tree = await keelsonTree(await makeHost(), image);

  expect(await run("getcap", join(tree, "bin/ping"))).toContain("cap_net_raw=ep");
});

it("38: a layer that writes through a symlink touches nothing of the host", async () => {
  const host = await makeHost();
  const outside = await scratch();
  await mkdir(join(outside, "victim"));
  await writeFile(join(outside, "victim/file"), "mine\n");
  const image = await shelf.build({
    layers: [
      { door: link(join(outside, "victim")) },
      await bareLayer({ "door/file": "theirs\n", "door/.wh.file": "" }),
    ],
    ...command,
  });
  await host.keelson("install", "--name", "foo", image.reference);

  expect(await readdir(join(outside, "victim"))).toEqual(["file"]);
  expect(await readFile(join(outside, "victim/file"), "utf8")).toBe("mine\n");
});

it("38: host files whose parents are symlinks in the image are not read from the host", async () => {
  const host = await makeHost();
  const outside = await scratch();
  await writeFile(join(outside, "secret"), "secret\n");
  await mkdir(dirname(host.path("/exports")), { recursive: true });
  await symlink(outside, host.path("/door"));
  const image = await shelf.build({ layers: [{ "exports/hostfs": link(outside) }], ...command });
  const failure = await host.refused(1, "install", "--name", "foo", image.reference);

  expect(failure.code).toMatch(/^E_(?:CONTRACT|HOST_FILE)$/);
});
