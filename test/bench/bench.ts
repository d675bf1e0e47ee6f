import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { push } from "../bed/images.ts";
import { builtProgram } from "../bed/program.ts";
import { startRegistry } from "../bed/registry.ts";
import { makeDisk } from "./disk.ts";
import { type BenchImage, benchImage, compressions, versions } from "./images.ts";
import { type ImageSize, imageSizes } from "./packages.ts";
import { compare, compareUpdate, formatTable, imageLine, type Row } from "./report.ts";
import { type Bench, measureAtRest, measureInstalls, measureList, measureUpdate, repositoryOf } from "./rows.ts";

const results = join(import.meta.dirname, "../.cache/bench/runs.json");
const listed = 100;

/**
 * Measures keelson beside the tools that come closest to it, in turn on the same disk, and prints a table of ratios. Of
 * the environment: BENCH_SIZES (`small medium large`; without it the first two), BENCH_RUNS (5).
 */
async function main(): Promise<void> {
  const say = (text: string): void => void process.stderr.write(`${text}\n`);
  const runs = Number(process.env.BENCH_RUNS ?? 5);
  const images = await prepareImages((process.env.BENCH_SIZES ?? "small medium").split(" "), say);
  const [registry, disk, program] = [await startRegistry(), await makeDisk(), await builtProgram()];
  try {
    for (const image of images) {
      for (const version of versions)
        await push(`oci:${image.layout}:${version}`, `${registry.host}/${repositoryOf(image)}:${version}`, {
          unchanged: true,
        });
    }
    const bench: Bench = { disk, registry, program, node: process.execPath, runs, say };
    const { rows, raw } = await measureRows(bench, images);
    writeFileSync(results, `${JSON.stringify({ images, raw }, undefined, 2)}\n`);
    const spreads = `Ratios are medians with the least and the greatest of ${runs} runs.`;
    process.stdout.write(
      `${images.map(imageLine).join("; ")}. ${spreads}\n\n${formatTable(rows)}\nraw runs: ${results}\n`,
    );
  } finally {
    await registry.stop();
    await disk.remove();
  }
}

async function prepareImages(sizes: readonly string[], say: (text: string) => void): Promise<readonly BenchImage[]> {
  const unknown = sizes.find((size) => !(imageSizes as readonly string[]).includes(size));
  if (unknown !== undefined) throw new Error(`BENCH_SIZES: there is no size ${unknown}`);
  const images: BenchImage[] = [];
  for (const size of sizes as readonly ImageSize[]) {
    for (const compression of compressions) {
      say(`image ${size} ${compression}`);
      images.push(await benchImage(size, compression));
    }
  }
  return images;
}

async function measureRows(
  bench: Bench,
  images: readonly BenchImage[],
): Promise<{ readonly rows: readonly Row[]; readonly raw: object }> {
  const rows: Row[] = [];
  const raw: Record<string, object> = {};
  for (const image of images) {
    const name = `${image.size} ${image.compression}`;
    const installs = await measureInstalls(bench, image);
    raw[`install ${name}`] = installs;
    rows.push(...compare(`install ${name}`, installs, "keelson install"));
  }
  for (const image of images.filter(({ compression, size }) => compression === "gzip" && size !== "small")) {
    const [update, rest] = [await measureUpdate(bench, image), await measureAtRest(bench, image)];
    Object.assign(raw, { [`update ${image.size}`]: update, [`at rest ${image.size}`]: rest });
    rows.push(...compareUpdate(`update ${image.size}, one layer of ${image.layers}`, update));
    const { checkout = [], "cp -al": copy = [], verify = [], sha256sum = [] } = rest;
    rows.push(...compare(`checkout ${image.size}`, { checkout, "cp -al": copy }, "checkout"));
    rows.push(...compare(`verify ${image.size}`, { verify, sha256sum }, "verify"));
  }
  const [smallest] = images;
  if (smallest?.size === "small") {
    const lists = await measureList(bench, smallest, listed);
    raw.list = lists;
    rows.push(...compare(`list ${listed} containers`, lists, `list ${listed}`));
  }
  return { rows, raw };
}

await main();
