import { copyFile, mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { run } from "../bed/run.ts";

// By hand, as it has to find one disk only: half of a boot is what Debian's own does.
const init = `#!/bin/busybox sh
busybox mount -t devtmpfs devtmpfs /dev
for module in /modules/*; do busybox insmod "$module" || exit; done
busybox mount -t ext4 /dev/vda /root || exit
busybox umount /dev
exec busybox switch_root /root /opt/powercut/first.sh
`;

/** Writes an initrd that mounts `/dev/vda` and gives way to the machine's first program. Its modules are those below `root`. */
export async function writeInitrd(root: string, path: string): Promise<void> {
  const tree = `${path}.tree`;
  for (const directory of ["bin", "dev", "modules", "root"]) await mkdir(join(tree, directory), { recursive: true });
  await copyFile("/bin/busybox", join(tree, "bin/busybox"));
  await writeFile(join(tree, "init"), init, { mode: 0o755 });
  for (const [index, module] of (await modulesFor(["virtio_pci", "virtio_blk"], root)).entries())
    await copyFile(module, join(tree, "modules", `${index}-${basename(module)}`));
  await run("sh", "-c", 'cd "$1" && find . | busybox cpio -o -H newc >"$2"', "sh", tree, path);
  await rm(tree, { recursive: true });
}

/** Paths of modules and what they depend on, in the order in which they can be loaded. */
async function modulesFor(names: readonly string[], root: string): Promise<readonly string[]> {
  const [release = ""] = await readdir(join(root, "lib/modules"));
  const directory = join(root, "lib/modules", release);
  const lines = (await readFile(join(directory, "modules.dep"), "utf8")).split("\n");
  const paths = names.flatMap((name) => {
    const line = lines.find((each) => each.split(":")[0]?.endsWith(`/${name}.ko`));
    if (line === undefined) throw new Error(`the kernel of ${root} has no module ${name}`);
    return line.replace(":", "").split(" ").reverse();
  });
  return [...new Set(paths)].map((path) => join(directory, path));
}
