import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readFile, rename, rm } from "node:fs/promises";
import { homedir, tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { copyFiles, fetchPackages, type PackageFiles, readPackages, runProgram, unpackPackages } from "./packages.ts";

/** The images that can be built without more network than the host's Debian archive. */
export const exampleNames = ["containerd", "etcd", "flanneld", "hello-world"] as const;

export type ExampleName = (typeof exampleNames)[number];

export interface BuildOptions {
  /** Gets one OCI image layout per image, named after it; made if it is missing. What it has of these names is replaced. */
  readonly output: string;
  /** Default: all of them. */
  readonly names?: readonly ExampleName[];
  /** Where fetched Debian packages stay. Default `~/.cache/keelson-examples`. */
  readonly cache?: string;
  /** Called with a line for each step. */
  readonly report?: (line: string) => void;
}

/** An image that was built. */
export interface BuiltExample {
  readonly name: ExampleName;
  /** The OCI image layout. */
  readonly layout: string;
  /** `oci:LAYOUT:latest`. */
  readonly reference: string;
  /** Of the manifest. */
  readonly digest: string;
}

const sources = import.meta.dirname;

/**
 * Builds example images from their Containerfiles with buildah, on files taken out of Debian's packages: none of these
 * is installed, and neither storage nor configuration of the host's container tools is touched. Needs root, Debian's
 * apt-get and dpkg-deb, and buildah. The same packages give the same digests.
 */
export async function buildExamples(options: BuildOptions): Promise<readonly BuiltExample[]> {
  const names = [...new Set(options.names ?? exampleNames)];
  const report = options.report ?? (() => {});
  const output = resolve(options.output);
  await mkdir(output, { recursive: true });
  const work = await mkdtemp(join(tmpdir(), "keelson-examples-"));
  try {
    const lists = new Map<ExampleName, readonly PackageFiles[]>();
    for (const name of names) lists.set(name, await readPackages(sourceFile(name, "packages")));
    report("fetching Debian packages");
    const needed = [...lists.values()].flat().map((entry) => entry.package);
    const archives = await fetchPackages(needed, options.cache ?? join(homedir(), ".cache", "keelson-examples"));
    const pending = [...lists];
    const built: BuiltExample[] = [];
    const worker = async (): Promise<void> => {
      for (let next = pending.shift(); next !== undefined; next = pending.shift()) {
        const [name, list] = next;
        report(`building ${name}`);
        const own = join(work, name);
        await unpackPackages(
          list.map((entry) => archives.get(entry.package) ?? ""),
          join(own, "unpacked"),
        );
        await copyFiles(list, join(own, "unpacked"), join(own, "root"));
        built.push(await buildImage(name, own, output));
      }
    };
    // Two at a time: unpacking and compressing take a processor each.
    const ends = await Promise.allSettled([worker(), worker()]);
    for (const end of ends) if (end.status === "rejected") throw end.reason;
    return built.sort((a, b) => (a.name < b.name ? -1 : 1));
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** Copies a built image, byte for byte, to `HOST/NAME:latest` of a registry; `plainHttp` allows one without TLS. */
export async function pushExample(image: BuiltExample, host: string, plainHttp: boolean): Promise<void> {
  const copy = ["copy", "--quiet", "--preserve-digests", `--dest-tls-verify=${!plainHttp}`];
  await runProgram("skopeo", [...copy, image.reference, `docker://${host}/${image.name}:latest`]);
}

async function buildImage(name: ExampleName, work: string, output: string): Promise<BuiltExample> {
  const storage = ["--root", join(work, "storage"), "--runroot", join(work, "run"), "--storage-driver", "vfs"];
  const context = join(sources, name);
  const tag = `localhost/${name}:latest`;
  await runProgram("buildah", [
    ...storage,
    "build",
    ...["--isolation", "chroot", "--layers", "--timestamp", "0", "--quiet"],
    ...["--build-context", `packages=${join(work, "root")}`, "--file", sourceFile(name, "Containerfile"), "--tag", tag],
    context,
  ]);
  const layout = join(output, name);
  const beside = `${layout}.new`;
  await rm(beside, { recursive: true, force: true });
  await runProgram("buildah", [...storage, "push", "--quiet", "--format", "oci", tag, `oci:${beside}:latest`]);
  await rm(layout, { recursive: true, force: true });
  await rename(beside, layout);
  const index = JSON.parse(await readFile(join(layout, "index.json"), "utf8"));
  return { name, layout, reference: `oci:${layout}:latest`, digest: index.manifests[0].digest };
}

/** The image's `Containerfile` or `packages`, or the one of its stand-in where there is one. */
function sourceFile(name: ExampleName, file: string): string {
  const standIn = join(sources, name, `${file}.stand-in`);
  return existsSync(standIn) ? standIn : join(sources, name, file);
}

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      output: { type: "string" },
      cache: { type: "string" },
      push: { type: "string" },
      "plain-http": { type: "boolean", default: false },
    },
  });
  const unknown = positionals.find((name) => !(exampleNames as readonly string[]).includes(name));
  if (values.output === undefined || unknown !== undefined) {
    const why = unknown === undefined ? "" : `There is no example ${unknown}.\n`;
    process.stderr.write(
      `${why}usage: node examples/build.ts --output DIR [--cache DIR] [--push HOST[:PORT] [--plain-http]] [NAME...]\n` +
        `NAME is one of ${exampleNames.join(", ")}; without one, all are built.\n`,
    );
    process.exitCode = 2;
    return;
  }
  const built = await buildExamples({
    output: values.output,
    report: (line) => process.stderr.write(`${line}\n`),
    ...(values.cache === undefined ? {} : { cache: values.cache }),
    ...(positionals.length === 0 ? {} : { names: positionals as ExampleName[] }),
  });
  for (const image of built) {
    if (values.push !== undefined) await pushExample(image, values.push, values["plain-http"]);
    process.stdout.write(`${image.reference} ${image.digest}\n`);
  }
}

if (import.meta.main) await main();
