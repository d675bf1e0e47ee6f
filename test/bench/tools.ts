import { join } from "node:path";
import type { BenchDisk } from "./disk.ts";
import type { Compression } from "./images.ts";

/** What installs, or comes closest to it. */
export const tools = ["keelson install", "podman pull", "skopeo + umoci"] as const;
export type Tool = (typeof tools)[number];

/** Whether the tool reads layers so compressed at all. */
export function canRead(tool: Tool, compression: Compression): boolean {
  return compression === "gzip" || tool !== "skopeo + umoci";
}

/** The commands that bring `reference` (`HOST/REPOSITORY:TAG`) onto an empty disk, one after the other. */
export function commandsOf(
  tool: Tool,
  reference: string,
  disk: BenchDisk,
  program: string,
): readonly (readonly string[])[] {
  switch (tool) {
    case "keelson install":
      return [keelson(program, disk, "install", "--system", "--tls-verify=false", "--name", "bench", reference)];
    case "podman pull": {
      const places = ["--root", join(disk.path, "storage"), "--runroot", join(disk.path, "run")];
      return [["podman", ...places, "--storage-driver", "overlay", "pull", "-q", "--tls-verify=false", reference]];
    }
    case "skopeo + umoci": {
      const layout = join(disk.path, "layout");
      const [policy, from] = ["--insecure-policy", `docker://${reference}`];
      return [
        ["skopeo", policy, "copy", "-q", "--src-tls-verify=false", from, `oci:${layout}:bench`],
        ["umoci", "unpack", "--image", `${layout}:bench`, join(disk.path, "bundle")],
      ];
    }
  }
}

/** A command line of keelson on the disk. */
export function keelson(program: string, { root }: BenchDisk, ...args: readonly string[]): readonly string[] {
  return [program, "--root", root, ...args];
}
