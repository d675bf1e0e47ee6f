import type { ImageConfig } from "../image/config.ts";
import { digestOf } from "../image/digest.ts";
import { isObject, parseJsonObject } from "../image/json.ts";
import { type Manifest, manifestLimit } from "../image/manifest.ts";
import type { Reference } from "../image/reference.ts";
import { listTags } from "../source/registry-verbs.ts";
import type { ImageSource } from "../source/source.ts";
import { readReference } from "../store/find-images.ts";
import type { World } from "../world.ts";
import { nameImage } from "./name.ts";
import { type PullRequest, platformOf } from "./pull.ts";

export interface InspectRequest extends PullRequest {
  readonly raw: boolean;
  readonly config: boolean;
  /** List the repository's tags, too. */
  readonly tags: boolean;
}

/** What an image says of itself; no layer is fetched. The keys are those of `skopeo inspect`. */
export async function inspect(world: World, request: InspectRequest): Promise<void> {
  const reference = readReference((await nameImage(world, request)).image);
  const source = world.source(reference, request.tlsVerify);
  try {
    if (request.raw && !request.config) return world.output.bytes((await source.readTop()).bytes);
    const { manifest, config, configBytes } = await source.resolve(platformOf(request.platform));
    if (request.config) return world.output.bytes(configBytes);
    const document = {
      ...(await placeOf(world, reference, request)),
      ...(await documentOf(source, manifest, config, configBytes)),
    };
    world.output.bytes(Buffer.from(`${JSON.stringify(document, undefined, 4)}\n`));
  } finally {
    await source.close();
  }
}

async function placeOf(
  world: World,
  reference: Reference,
  request: InspectRequest,
): Promise<{ readonly Name: string; readonly RepoTags: readonly string[] }> {
  if (reference.kind !== "registry") return { Name: "", RepoTags: [] };
  const tags = request.tags ? await listTags(reference, world.sourceOptions(request.tlsVerify)) : [];
  return { Name: `${reference.host}/${reference.repository}`, RepoTags: tags };
}

/** `Digest` is that of what the reference names: of an index, if it names one. */
async function documentOf(
  source: ImageSource,
  manifest: Manifest,
  config: ImageConfig,
  configBytes: Uint8Array,
): Promise<object> {
  const { created, docker_version: dockerVersion = "" } = parseJsonObject(configBytes, "the config", manifestLimit);
  const labels: unknown = parseJsonObject(configBytes, "the config", manifestLimit).config?.Labels;
  return {
    Digest: digestOf((await source.readTop()).bytes),
    Created: created ?? null,
    DockerVersion: String(dockerVersion),
    Labels: isObject(labels) ? config.labels : null,
    Architecture: config.platform.architecture,
    Os: config.platform.os,
    Layers: manifest.layers.map(({ digest }) => digest),
    LayersData: manifest.layers.map(({ mediaType, digest, size, annotations }) => ({
      MIMEType: mediaType,
      Digest: digest,
      Size: size,
      Annotations: Object.keys(annotations).length === 0 ? null : annotations,
    })),
    Env: config.environment,
  };
}
