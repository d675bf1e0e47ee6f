import { chmod, lchown, link, mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { run } from "./run.ts";

/** A file of a layer: text is its content, or say more. Numbers are octal modes and numeric ids; xattrs need root. */
type FileSpec =
  | string
  | Uint8Array
  | ((
      | { readonly kind: "file"; readonly content: string | Uint8Array }
      | { readonly kind: "directory" }
      | { readonly kind: "symlink"; readonly target: string }
      /** `target` is the path of another file of this layer. */
      | { readonly kind: "hardlink"; readonly target: string }
      | { readonly kind: "fifo" }
      | { readonly kind: "character"; readonly major: number; readonly minor: number }
    ) & {
      readonly mode?: number;
      readonly uid?: number;
      readonly gid?: number;
      readonly xattrs?: Readonly<Record<string, string>>;
    });

/** Paths relative to the root, in any order; a whiteout is a file named `.wh.NAME`. */
export type LayerFiles = Readonly<Record<string, FileSpec>>;

/** A fixed time, so that the same files always give the same layer. */
const madeAt = "2024-01-02T03:04:05Z";

/** Packs `files` with GNU tar at `archive`: sorted by name, times fixed, xattrs and numeric owners kept. */
export async function packLayer(files: LayerFiles, archive: string): Promise<void> {
  const root = await mkdtemp(join(tmpdir(), "keelson-layer-"));
  try {
    const paths = Object.keys(files).sort();
    const links = paths.filter((path) => isHardlink(files[path]));
    for (const path of [...paths.filter((one) => !links.includes(one)), ...links]) {
      await writeSpec(root, path, files[path] ?? "");
    }
    await chmod(root, 0o755);
    const names = ["--sort=name", `--mtime=${madeAt}`, "--numeric-owner", "--format=posix"];
    const times = ["--pax-option=exthdr.name=%d/PaxHeaders/%f,delete=atime,delete=ctime"];
    await run("tar", ...names, ...times, "--xattrs", "--xattrs-include=*", "-C", root, "-cf", archive, ".");
  } finally {
    await rm(root, { recursive: true, force: true });
  }
}

function isHardlink(spec: FileSpec | undefined): boolean {
  return typeof spec === "object" && !(spec instanceof Uint8Array) && spec.kind === "hardlink";
}

async function writeSpec(root: string, path: string, given: FileSpec): Promise<void> {
  const spec =
    typeof given === "string" || given instanceof Uint8Array ? { kind: "file" as const, content: given } : given;
  const at = join(root, path);
  await mkdir(dirname(at), { recursive: true });
  switch (spec.kind) {
    case "file":
      await writeFile(at, spec.content);
      break;
    case "directory":
      await mkdir(at, { recursive: true });
      break;
    case "symlink":
      await symlink(spec.target, at);
      break;
    case "hardlink":
      await link(join(root, spec.target), at);
      return;
    case "fifo":
      await run("mkfifo", at);
      break;
    case "character":
      await run("mknod", at, "c", String(spec.major), String(spec.minor));
      break;
  }
  await lchown(at, spec.uid ?? 0, spec.gid ?? 0);
  if (spec.kind !== "symlink") await chmod(at, spec.mode ?? (spec.kind === "directory" ? 0o755 : 0o644));
  for (const [name, value] of Object.entries(spec.xattrs ?? {}))
    await run("setfattr", "-h", "-n", name, "-v", value, at);
}
