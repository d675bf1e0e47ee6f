import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import type { TestRegistry } from "../bed/registry.ts";
import type { BenchDisk } from "./disk.ts";
import type { BenchImage } from "./images.ts";
import { measure, measureAll, type Run } from "./measure.ts";
import { canRead, commandsOf, keelson, type Tool, tools } from "./tools.ts";
import { openWire } from "./wire.ts";

export interface Bench {
  readonly disk: BenchDisk;
  readonly registry: TestRegistry;
  /** The built program. */
  readonly program: string;
  readonly node: string;
  readonly runs: number;
  readonly say: (text: string) => void;
}

/** Runs by what was run; those of one place in the lists were made in turn. */
export type Measured = Readonly<Record<string, readonly Run[]>>;

/** Bytes beside the times. */
export interface Update {
  readonly runs: Measured;
  readonly fetched: number;
  readonly newLayer: number;
  /** Used by v1, and added by v2. */
  readonly disk: number;
  readonly added: number;
}

/** Each tool in turn on an empty disk, as often as it is asked for. */
export async function measureInstalls(bench: Bench, image: BenchImage): Promise<Measured> {
  const able = tools.filter((tool) => canRead(tool, image.compression));
  const runs = new Map<Tool, Run[]>(able.map((tool) => [tool, []]));
  for (let round = 0; round < bench.runs; round++) {
    for (const tool of able) {
      bench.say(`${image.size} ${image.compression}: ${tool}, ${round + 1} of ${bench.runs}`);
      await bench.disk.renew();
      const commands = commandsOf(tool, `${bench.registry.host}/${repositoryOf(image)}:v1`, bench.disk, bench.program);
      runs.get(tool)?.push(await measureAll(commands));
    }
  }
  return Object.fromEntries(runs);
}

/** A new last layer under a tag that moves; through a wire that counts. */
export async function measureUpdate(bench: Bench, image: BenchImage): Promise<Update> {
  const { disk, program } = bench;
  const wire = await openWire(bench.registry.host);
  const runs: { readonly [name: string]: Run[] } = { install: [], update: [] };
  let [fetched, used, added] = [0, 0, 0];
  try {
    for (let round = 0; round < bench.runs; round++) {
      bench.say(`${image.size} ${image.compression}: update, ${round + 1} of ${bench.runs}`);
      await disk.renew();
      const empty = disk.used();
      const reference = (tag: string): string => `${wire.host}/${repositoryOf(image)}:${tag}`;
      const flags = ["--system", "--tls-verify=false", "--name", "bench"];
      runs.install?.push(await measure(keelson(program, disk, "install", ...flags, reference("v1"))));
      used = disk.used() - empty;
      wire.bytes();
      const update = keelson(program, disk, "update", "--tls-verify=false", "--rebase", reference("v2"), "bench");
      runs.update?.push(await measure(update));
      fetched = wire.bytes();
      added = disk.used() - empty - used;
    }
  } finally {
    wire.close();
  }
  return { runs, fetched, newLayer: image.changedBytes, disk: used, added };
}

/** What is done with an image that is installed, each beside what comes closest to it. */
export async function measureAtRest(bench: Bench, image: BenchImage): Promise<Measured> {
  const { disk, program, node } = bench;
  await disk.renew();
  const reference = `${bench.registry.host}/${repositoryOf(image)}:v1`;
  await measure(keelson(program, disk, "install", "--system", "--tls-verify=false", "--name", "bench", reference));
  const state = join(disk.root, "var/lib/keelson");
  const rootfs = join(state, "deployments/bench/1/rootfs");
  const checkout = await bundledCheckout();
  const runs: { readonly [name: string]: Run[] } = { checkout: [], "cp -al": [], verify: [], sha256sum: [] };
  for (let round = 0; round < bench.runs; round++) {
    bench.say(`${image.size} ${image.compression}: checkout and verify, ${round + 1} of ${bench.runs}`);
    const [mine, theirs] = [join(disk.path, `mine-${round}`), join(disk.path, `theirs-${round}`)];
    runs.checkout?.push(await measure([node, checkout, state, mine]));
    runs["cp -al"]?.push(await measure(["cp", "-al", rootfs, theirs]));
    runs.verify?.push(await measure(keelson(program, disk, "verify", "bench")));
    const sums = `find ${rootfs} -type f -print0 | xargs -0 sha256sum`;
    runs.sha256sum?.push(await measure(["sh", "-c", sums]));
  }
  return runs;
}

/** The program that only checks out, built as keelson is. */
async function bundledCheckout(): Promise<string> {
  const outfile = join(import.meta.dirname, "../.cache/bench/checkout.mjs");
  const entryPoints = [fileURLToPath(import.meta.resolve("./checkout.ts"))];
  await build({ entryPoints, outfile, bundle: true, platform: "node", format: "esm", external: ["koffi"] });
  return outfile;
}

/** Listing one container, and as many as `count`. */
export async function measureList(bench: Bench, image: BenchImage, count: number): Promise<Measured> {
  const { disk, program } = bench;
  await disk.renew();
  const reference = `${bench.registry.host}/${repositoryOf(image)}:v1`;
  const flags = ["--system", "--tls-verify=false"];
  const runs: { [name: string]: readonly Run[] } = {};
  for (const [from, to] of [
    [0, 1],
    [1, count],
  ] as const) {
    for (let index = from; index < to; index++)
      await measure(keelson(program, disk, "install", ...flags, "--name", `bench-${index}`, reference));
    bench.say(`list of ${to}`);
    const listed: Run[] = [];
    for (let round = 0; round < 2 * bench.runs; round++) listed.push(await measure(keelson(program, disk, "list")));
    runs[`list ${to}`] = listed;
  }
  return runs;
}

/** Under which its images are in the registry. */
export function repositoryOf({ size, compression }: BenchImage): string {
  return `${size}-${compression}`;
}
