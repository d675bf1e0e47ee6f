import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { install } from "../../src/commands/install.ts";
import { pull } from "../../src/commands/pull.ts";
import { errnoOf, KeelsonError } from "../../src/errors.ts";
import type { Output } from "../../src/output.ts";
import { openSource } from "../../src/source/open.ts";
import { standardTiming } from "../../src/source/options.ts";
import { checkout } from "../../src/store/checkout.ts";
import { readImages } from "../../src/store/images.ts";
import { openRepository } from "../../src/store/repository.ts";
import { readTree } from "../../src/store/store.ts";
import { openWorld, type World } from "../../src/world.ts";
import type { Stand } from "./stand.ts";

/** What became of an image: where its tree is, or why there is none. */
export type Outcome =
  | { readonly kind: "installed"; readonly tree: string }
  | { readonly kind: "refused"; readonly code: string; readonly message: string }
  | { readonly kind: "crashed"; readonly message: string };

const home = join(import.meta.dirname, "../..");

const silent: Output = {
  answer: () => undefined,
  bytes: () => undefined,
  message: () => undefined,
  warn: () => undefined,
  choose: async () => undefined,
  progress: () => ({ advance: () => undefined, finish: () => undefined, abandon: () => undefined }),
};

/** Pulls the stand's image into its root and checks it out, or installs it where the case says so; all in this process. */
export async function runHere(stand: Stand): Promise<Outcome> {
  const real = openWorld({
    root: stand.root,
    user: false,
    wait: false,
    output: silent,
    signal: new AbortController().signal,
    version: "test",
    home,
    keelson: join(stand.root, "usr/bin/keelson"),
  });
  const source: World["source"] = (reference, tlsVerify) =>
    openSource(reference, {
      ...real.sourceOptions(tlsVerify),
      timing: { ...standardTiming, backoff: 1, longestWait: 20 },
    });
  const world: World = Object.create(real, { source: { value: source } });
  try {
    return { kind: "installed", tree: await (stand.image.install ? installed(world, stand) : pulled(world, stand)) };
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    if (error instanceof KeelsonError) return { kind: "refused", code: error.code, message };
    return { kind: "crashed", message: `${errnoOf(error) ?? "a bug"}: ${message}` };
  } finally {
    await world.close();
  }
}

async function pulled(world: World, { reference, root }: Stand): Promise<string> {
  await pull(world, { image: reference, tlsVerify: !reference.startsWith("docker:") });
  const [image] = readImages(world.paths.images);
  const tree = image && readTree(world.paths, image);
  if (tree === undefined) throw new Error("the image that was pulled is not there");
  const staged = readdirSync(join(world.paths.repository, "tmp"));
  if (staged.length > 0) throw new Error(`there is ${staged.join(", ")} left in the staging area`);
  const at = join(root, "tree");
  checkout(openRepository(world.paths.repository), tree, at);
  return at;
}

async function installed(world: World, { reference, image }: Stand): Promise<string> {
  const { name, set = [] } = image.install ?? { name: "" };
  await install(world, {
    image: reference,
    name,
    set,
    tlsVerify: true,
    start: false,
    force: false,
    dryRun: false,
    enable: false,
    keepExisting: false,
    listen: [],
  });
  const tree = join(world.paths.deployments, name, "current/rootfs");
  if (!existsSync(tree)) throw new Error("the image that was installed is not there");
  return tree;
}
