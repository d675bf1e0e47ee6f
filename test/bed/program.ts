import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { run } from "./run.ts";

const home = join(import.meta.dirname, "../..");
const cache = join(import.meta.dirname, "../.cache");
const program = join(home, "dist", "keelson");
const node = join(home, "node_modules", ".bin", "node");

// The launcher is the last file a build writes, so it is older than anything that changed since.
const buildOnce = `cd "$1" && { test -e dist/keelson &&
  test -z "$(find src unit-templates .build.ts package.json -newer dist/keelson -print -quit)" || "$2" .build.ts; }`;

let built: Promise<string> | undefined;

/** The path of the built program; builds it first when there is none or the sources are newer, in one process only. */
export function builtProgram(): Promise<string> {
  built ??= build();
  return built;
}

async function build(): Promise<string> {
  await mkdir(cache, { recursive: true });
  await run("flock", join(cache, "build-lock"), "sh", "-c", buildOnce, "sh", home, node);
  return program;
}
