import { KeelsonError } from "../errors.ts";
import type { Digest } from "../image/digest.ts";
import type { Descriptor } from "../image/manifest.ts";
import { formatPlatform } from "../image/platform.ts";
import { type FileReference, formatReference, type Reference, shortDigest } from "../image/reference.ts";
import type { Progress } from "../output.ts";
import type { Fetch } from "../plan/preview.ts";
import { type KnownFiles, requestWorth } from "../source/chunked.ts";
import { openLayer } from "../source/layer.ts";
import type { ImageSource, SourceImage } from "../source/source.ts";
import { together, untilStopped } from "../source/together.ts";
import { openKnownFiles } from "../store/known-files.ts";
import type { OpenTar } from "../store/layer-reader.ts";
import { refuseWithoutRoom } from "../store/room.ts";
import type { ImageStage } from "../store/stage.ts";
import type { World } from "../world.ts";

/** What a reference names now, told by its documents; nothing else has been read. */
export interface Offer {
  readonly reference: Reference;
  readonly source: ImageSource;
  readonly offered: SourceImage;
  readonly tlsVerify: boolean;
  /** What `source` reads, where it is a bundle that has the image under its name. */
  readonly bundle?: FileReference | undefined;
}

/** Fetches the layers that the store lacks, several at once; one that fails stops the others. */
export async function addLayers(
  world: World,
  { reference, source, offered }: Offer,
  stage: ImageStage,
): Promise<Fetch> {
  const { layers } = offered.manifest;
  const { connections, freeSpace } = world.settings;
  const known = openKnownFiles(world.paths.images, stage.repository, requestWorth);
  let bytes = 0;
  let fetched = 0;
  world.output.message(
    `image ${offered.digest} for ${formatPlatform(offered.config.platform)}, ${layers.length} layers`,
  );
  const lacking = layers.filter((_, index) => !hasLayer(offered, stage, index));
  stage.expect(totalOf(lacking.map(({ size }) => size)));
  const room = openRoom(lacking, (bytes) =>
    refuseWithoutRoom(stage.repository.path, bytes, freeSpace, formatReference(reference)),
  );
  await together([...layers.entries()], connections, async ([index, layer], stop) => {
    const diffId = offered.config.diffIds[index];
    if (diffId === undefined) throw new Error("a layer without a diff id");
    const label = `layer ${index + 1}/${layers.length} ${shortDigest(layer.digest)}`;
    if (stage.hasLayer(diffId)) {
      world.output.message(`${label}: already here`);
      return stage.addLayer(diffId);
    }
    room.take(layer);
    const advance = (count: number): void => {
      bytes += count;
    };
    const wanted = { layer, diffId, label, stop, known, advance };
    await readLayer(world, source, wanted, (open) => stage.addLayer(diffId, open)).catch((error: unknown) => {
      throw ofImage(error, formatReference(reference));
    });
    fetched += 1;
  });
  return { bytes, layers: fetched, ofLayers: layers.length };
}

/**
 * Asks whether there is room for these layers, now and before each is fetched: others may fill the disk, and layers grow when
 * they are unpacked.
 */
function openRoom(layers: readonly Descriptor[], refuse: (bytes: number) => void): { take(layer: Descriptor): void } {
  const waiting = new Map(layers.map(({ digest, size }) => [digest, size]));
  refuse(totalOf(waiting.values()));
  return {
    take({ digest }) {
      refuse(totalOf(waiting.values()));
      waiting.delete(digest);
    },
  };
}

function totalOf(sizes: Iterable<number>): number {
  return [...sizes].reduce((total, size) => total + size, 0);
}

function hasLayer({ config }: SourceImage, stage: ImageStage, index: number): boolean {
  const diffId = config.diffIds[index];
  return diffId !== undefined && stage.hasLayer(diffId);
}

/** A layer to be read, and how it is called while it is. */
export interface LayerRequest {
  readonly layer: Descriptor;
  readonly diffId: Digest;
  readonly label: string;
  /** Aborted when it is not wanted any more. */
  readonly stop: AbortSignal;
  /** Files that need not be fetched. */
  readonly known?: KnownFiles | undefined;
  /** Is told of every piece that has come, in bytes. */
  advance?(bytes: number): void;
}

/**
 * Hands a layer's tar to `unpack` at once, checked on its way, and shows how far it is. Layers stay in the order of the calls.
 */
export async function readLayer<T>(
  world: World,
  source: ImageSource,
  { layer, diffId, label, stop, known, advance }: LayerRequest,
  unpack: (open: OpenTar) => Promise<T>,
): Promise<T> {
  let progress: Progress | undefined;
  const open: OpenTar = async function* (taker) {
    const { size } = (await source.held?.(diffId)) ?? layer;
    progress = world.output.progress(label, size);
    const shown = progress;
    const count = (bytes: number): void => {
      shown.advance(bytes);
      advance?.(bytes);
    };
    const options = { ...taker, limit: world.settings.layerSize, known };
    yield* openLayer(counted(source, count, stop), layer, diffId, options);
  };
  try {
    const result = await unpack(open);
    progress?.finish();
    return result;
  } catch (error) {
    progress?.abandon();
    throw error;
  }
}

/** Names the image in a failure that knows of its layer alone. */
function ofImage(error: unknown, name: string): unknown {
  const known = error instanceof KeelsonError && ["E_DIGEST", "E_LAYER", "E_LIMIT"].includes(error.code);
  if (!known || error.message.startsWith(name)) return error;
  return new KeelsonError(error.code, `${name}: ${error.message}`, { hint: error.hint, cause: error });
}

/** The source, telling how many bytes of its blobs have passed, until it is stopped. */
function counted(source: ImageSource, advance: (bytes: number) => void, stop: AbortSignal): ImageSource {
  async function* count(open: () => Promise<AsyncIterable<Uint8Array>>): AsyncGenerator<Uint8Array> {
    for await (const chunk of untilStopped(open, stop)) {
      advance(chunk.length);
      yield chunk;
    }
  }
  return {
    ...source,
    openBlob: async (layer) => count(() => source.openBlob(layer)),
    openRange: async (layer, from, to) => {
      const range = await source.openRange?.(layer, from, to);
      return range && count(async () => range);
    },
  };
}
