import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { run } from "./run.ts";

/** A store as podman, buildah and skopeo keep it, of its own. */
export interface TestStorage {
  readonly root: string;
  /** Before a name or id, for skopeo and keelson. */
  readonly prefix: string;
  /** Brings an image in, with skopeo; its reference. */
  add(source: string, name: string, ...options: readonly string[]): Promise<string>;
  /** Where the store keeps the layer of that diff id: its files, and its tar-split. */
  layer(diffId: string): Promise<{ readonly files: string; readonly split: string }>;
  remove(): Promise<void>;
}

export async function makeStorage(driver: "overlay" | "vfs" = "overlay"): Promise<TestStorage> {
  const parent = await mkdtemp(join(tmpdir(), "keelson-storage-"));
  const root = join(parent, "root");
  const prefix = `containers-storage:[${driver}@${root}+${join(parent, "run")}]`;
  return {
    root,
    prefix,
    async add(source, name, ...options) {
      await run("skopeo", "copy", "-q", "--src-tls-verify=false", ...options, source, `${prefix}${name}`);
      return `${prefix}${name}`;
    },
    async layer(diffId) {
      const list = JSON.parse(await readFile(join(root, `${driver}-layers/layers.json`), "utf8"));
      const { id } = list.find((layer: Record<string, string>) => layer["diff-digest"] === diffId);
      const files = driver === "overlay" ? join(root, "overlay", id, "diff") : join(root, "vfs/dir", id);
      return { files, split: join(root, `${driver}-layers`, `${id}.tar-split.gz`) };
    },
    async remove() {
      // The overlay driver leaves its directory mounted on itself.
      if ((await readdir(parent)).includes("root"))
        await run("sh", "-c", 'umount "$0" 2>/dev/null || true', `${root}/overlay`);
      await rm(parent, { recursive: true, force: true });
    },
  };
}
