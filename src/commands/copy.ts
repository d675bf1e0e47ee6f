import { KeelsonError, printable } from "../errors.ts";
import type { ManifestFormat } from "../image/convert.ts";
import { formatReference, shortDigest } from "../image/reference.ts";
import { copyImage } from "../source/copy.ts";
import { openDestination } from "../source/open-destination.ts";
import { readReference } from "../store/find-images.ts";
import type { World } from "../world.ts";
import { nameImage } from "./name.ts";
import { platformOf } from "./pull.ts";

export interface CopyRequest {
  readonly from: string;
  readonly to: string;
  readonly all: boolean;
  readonly format?: string | undefined;
  readonly compress?: string | undefined;
  readonly platform?: string | undefined;
  readonly tlsVerify: boolean;
  readonly srcTlsVerify?: boolean | undefined;
  readonly destTlsVerify?: boolean | undefined;
}

/** Copies an image from one place to another; the store is not touched. */
export async function copy(world: World, request: CopyRequest): Promise<void> {
  const format = oneOf<ManifestFormat>("--format", request.format, ["oci", "v2s2"]);
  const compress = oneOf("--compress", request.compress, ["gzip", "zstd"] as const);
  const tlsVerify = request.srcTlsVerify ?? request.tlsVerify;
  const { image } = await nameImage(world, { image: request.from, platform: request.platform, tlsVerify });
  const [from, to] = [readReference(image), readReference(request.to)];
  const platform = platformOf(request.platform);
  const options = world.sourceOptions(request.destTlsVerify ?? request.tlsVerify);
  const source = world.source(from, tlsVerify);
  try {
    const destination = await openDestination(to, options);
    try {
      const copied = await copyImage(source, destination, {
        name: formatReference(from),
        ...{ platform, format, compress },
        all: request.all,
        from: from.kind === "registry" ? `${from.host}/${from.repository}` : undefined,
        cacheDirectory: options.cacheDirectory,
        signal: world.signal,
        begin: (blob, size) => world.output.progress(`blob ${shortDigest(blob)}`, size),
      });
      const names = { source: formatReference(from), destination: formatReference(to) };
      const { sourceDigest, digest } = copied;
      if (sourceDigest !== digest && format === undefined && compress === undefined) {
        world.output.message(`the source keeps layers unpacked: the copy of ${sourceDigest} has other digests`);
      }
      world.output.answer({ ...names, ...copied }, [`${names.destination} ${digest}`]);
    } finally {
      await destination.close();
    }
  } finally {
    await source.close();
  }
}

function oneOf<T extends string>(option: string, text: string | undefined, known: readonly T[]): T | undefined {
  const found = known.find((value) => value === text);
  if (text === undefined || found !== undefined) return found;
  throw new KeelsonError("E_USAGE", `${option} ${printable(text)} is not one of ${known.join(", ")}`, {
    hint: "keelson copy --help says what they mean.",
  });
}
