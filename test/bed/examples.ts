import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdir, readdir, readFile } from "node:fs/promises";
import { join, relative } from "node:path";
import { promisify } from "node:util";
import type { BuiltExample, ExampleName } from "../../examples/build.ts";

const examples = join(import.meta.dirname, "../../examples");
const cache = join(import.meta.dirname, "../.cache/examples");

// Runs under the lock, so that of several test files one builds and the others find what it built.
const buildOnce = `test -e "$1/built" || { rm -rf "$1" && "$2" "$3" --output "$1" --cache "$4" >"$1.list" && mv "$1.list" "$1/built"; }`;

/**
 * The example images, built from examples/ as they are now; only the first call after a change builds, in whatever process
 * it is. Needs root, buildah and Debian's packages.
 */
export async function builtExamples(): Promise<Readonly<Record<ExampleName, BuiltExample>>> {
  await mkdir(cache, { recursive: true });
  const output = join(cache, await sourceHash());
  const shell = [
    "sh",
    "-c",
    buildOnce,
    "sh",
    output,
    process.execPath,
    join(examples, "build.ts"),
    join(cache, "debs"),
  ];
  await promisify(execFile)("flock", [join(cache, "lock"), ...shell]);
  const list = await readFile(join(output, "built"), "utf8");
  const built = [...list.matchAll(/^(oci:(.*\/([^/]+)):latest) (sha256:[0-9a-f]{64})$/gm)].map(
    ([, reference = "", layout = "", name = "", digest = ""]): readonly [string, BuiltExample] => [
      name,
      { name: name as ExampleName, layout, reference, digest },
    ],
  );
  return Object.fromEntries(built) as Record<ExampleName, BuiltExample>;
}

async function sourceHash(): Promise<string> {
  const hash = createHash("sha256");
  const files = await readdir(examples, { recursive: true, withFileTypes: true });
  const paths = files
    .filter((entry) => entry.isFile() && entry.parentPath !== join(examples, "demo"))
    .map((entry) => join(entry.parentPath, entry.name));
  for (const path of paths.sort()) {
    const content = await readFile(path);
    hash.update(`${relative(examples, path)}\0${content.length}\0`).update(content);
  }
  return hash.digest("hex").slice(0, 16);
}
