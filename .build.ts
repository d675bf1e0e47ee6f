import { execFileSync } from "node:child_process";
import { chmodSync, copyFileSync, cpSync, linkSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { build } from "esbuild";

/**
 * Builds `dist/`: `keelson`, a launcher, and `lib/` with the program, its own Node and the libraries that one needs beyond
 * glibc, and what cannot be bundled. The directory can be copied anywhere as a whole.
 */
const dist = join(import.meta.dirname, "dist");
const lib = join(dist, "lib");
const modules = join(import.meta.dirname, "node_modules");

const launcher = `#!/bin/sh
# Runs keelson on the Node it came with.
self=$0
case $self in */*) ;; *) self=./$self ;; esac
[ -L "$self" ] && self=$(readlink -f -- "$self")
home=\${self%/*}
KEELSON_EXECUTABLE=$home/keelson
# For Node alone: what keelson starts gets an environment of its own.
LD_LIBRARY_PATH=$home/lib
export KEELSON_EXECUTABLE LD_LIBRARY_PATH
# What is new to the heap is mostly soon forgotten: to gather more of it would only take memory.
exec "$home/lib/node" --max-semi-space-size=2 "$home/lib/main.js" "$@"
`;

rmSync(dist, { recursive: true, force: true });
mkdirSync(lib, { recursive: true });
await build({
  entryPoints: [
    { in: join(import.meta.dirname, "src/main.ts"), out: "main" },
    { in: join(import.meta.dirname, "src/store/unpack-worker.ts"), out: "unpack-worker" },
    { in: join(import.meta.dirname, "src/store/hash-worker.ts"), out: "hash-worker" },
  ],
  outdir: lib,
  bundle: true,
  splitting: true,
  platform: "node",
  format: "esm",
  target: "node26",
  minifySyntax: true,
  // x11 is asked for only by a bus that is found through an X display.
  external: ["koffi", "x11"],
  // Bundled CommonJS packages ask for Node's own modules with require.
  banner: {
    js: 'import { createRequire as $createRequire } from "node:module"; const require = $createRequire(import.meta.url);',
  },
  logLevel: "warning",
});
writeFileSync(join(lib, "package.json"), await packageText());
cpSync(join(import.meta.dirname, "unit-templates"), join(lib, "unit-templates"), { recursive: true });
copyNative("koffi");
copyNative(`@koromix/koffi-${process.platform}-${process.arch}`);
placeNode(join(modules, "node", "bin", "node"), join(lib, "node"));
for (const path of gccLibraries(join(lib, "node"))) copyFileSync(path, join(lib, basename(path)));
writeFileSync(join(dist, "keelson"), launcher);
chmodSync(join(dist, "keelson"), 0o755);

async function packageText(): Promise<string> {
  const { default: manifest } = await import("./package.json", { with: { type: "json" } });
  return `${JSON.stringify({ name: manifest.name, version: manifest.version, type: "module" }, undefined, 2)}\n`;
}

/** GCC's runtime libraries as far as a Node is linked with them: not every host has libatomic. */
function gccLibraries(node: string): readonly string[] {
  const list = execFileSync(node, ["-p", "process.report.getReport().sharedObjects.join('\\n')"], { encoding: "utf8" });
  return list.split("\n").filter((path) => /^lib(?:atomic|gcc_s|stdc\+\+)\.so\.[0-9]+$/.test(basename(path)));
}

/** A package with a native part, without the sources it could be compiled from. */
function copyNative(name: string): void {
  const target = join(lib, "node_modules", name);
  mkdirSync(dirname(target), { recursive: true });
  cpSync(join(modules, name), target, {
    recursive: true,
    filter: (path) =>
      !/\/(?:vendor|doc|lib\/native)(?:\/|$)|\.(?:cc|hh|c|h|inc|S|asm|txt|md)$/.test(path.slice(modules.length)),
  });
}

function placeNode(from: string, to: string): void {
  try {
    linkSync(from, to);
  } catch {
    copyFileSync(from, to);
  }
  chmodSync(to, 0o755);
}
