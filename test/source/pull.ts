import { tmpdir } from "node:os";
import { type Digest, digestOf } from "../../src/image/digest.ts";
import { parsePlatform } from "../../src/image/platform.ts";
import { parseReference } from "../../src/image/reference.ts";
import { openLayer } from "../../src/source/layer.ts";
import { openSource } from "../../src/source/open.ts";
import type { SourceOptions } from "../../src/source/options.ts";
import type { SourceImage } from "../../src/source/source.ts";

/** Options of a source in tests: nothing but plain trust, waits so short that a test can afford them. */
export const testOptions: SourceOptions = {
  tlsVerify: false,
  authFiles: [],
  cacheDirectory: tmpdir(),
  userAgent: "keelson/test",
  hostFiles: { prefix: "/nonexistent", home: "/nonexistent" },
  dockerHost: "unix:///nonexistent/docker.sock",
  timing: { connect: 5_000, headers: 5_000, idle: 5_000, backoff: 1, longestWait: 20, patience: 20_000 },
};

export interface Pulled extends SourceImage {
  /** Of each layer's tar, computed by the test. */
  readonly tars: readonly Digest[];
}

/** Resolves `reference` for `platform` and reads every layer to its end. */
export async function pull(
  reference: string,
  options: Partial<SourceOptions> = {},
  platform = "linux/amd64",
): Promise<Pulled> {
  const source = openSource(parseReference(reference), { ...testOptions, ...options });
  try {
    const image = await source.resolve(parsePlatform(platform));
    const tars: Digest[] = [];
    for (const [at, layer] of image.manifest.layers.entries()) {
      const pieces: Buffer[] = [];
      const diffId = image.config.diffIds[at];
      if (diffId === undefined) throw new Error("a layer without a diff id");
      for await (const piece of openLayer(source, layer, diffId)) pieces.push(piece);
      tars.push(digestOf(Buffer.concat(pieces)));
    }
    return { ...image, tars };
  } finally {
    await source.close();
  }
}
