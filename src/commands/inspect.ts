import { readFileSync } from "node:fs";
import { type Contract, parseContract, variablesOf } from "../contract/contract.ts";
import { KeelsonError } from "../errors.ts";
import type { ImageConfig } from "../image/config.ts";
import { digestOf } from "../image/digest.ts";
import { isObject, parseJsonObject } from "../image/json.ts";
import type { Manifest } from "../image/manifest.ts";
import { containerNameOf, formatReference, type Reference, shortDigest } from "../image/reference.ts";
import { shownPath } from "../layer/path.ts";
import type { DirectoryNode } from "../layer/tree.ts";
import { privilegeLines, privilegesOf } from "../plan/privileges.ts";
import { listTags } from "../source/registry-verbs.ts";
import type { ImageSource, SourceImage } from "../source/source.ts";
import { readExports } from "../store/exports.ts";
import { readReference } from "../store/find-images.ts";
import { type ImageStage, openStage } from "../store/stage.ts";
import type { World } from "../world.ts";
import { nameImage } from "./name.ts";
import { readLayer } from "./offer.ts";
import { propose } from "./propose.ts";
import { type ImageAtHand, type PullRequest, platformOf } from "./pull.ts";

export interface InspectRequest extends PullRequest {
  readonly raw: boolean;
  readonly config: boolean;
  /** List the repository's tags, too. */
  readonly tags: boolean;
}

/**
 * What an image says of itself. The keys are those of `skopeo inspect`, and what it asks of its host where the layers that say
 * so are in the store or small; others are not fetched.
 */
export async function inspect(world: World, request: InspectRequest): Promise<void> {
  const reference = readReference((await nameImage(world, request)).image);
  const source = world.source(reference, request.tlsVerify);
  try {
    if (request.raw && !request.config) return world.output.bytes((await source.readTop()).bytes);
    const offered = await source.resolve(platformOf(request.platform));
    const { manifest, config, configBytes } = offered;
    if (request.config) return world.output.bytes(configBytes);
    const contract = await contractOf(world, reference, source, offered);
    const document = {
      ...(await placeOf(world, reference, request)),
      ...(await documentOf(source, manifest, config, configBytes)),
      ...(contract === undefined ? {} : { Contract: contract }),
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
  const document = parseJsonObject(configBytes, "the config", configBytes.length);
  const { created, docker_version: dockerVersion = "" } = document;
  const labels: unknown = document.config?.Labels;
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

/** What it asks of its host, as far as its layers are at hand; undefined when none of these has /exports. */
async function contractOf(
  world: World,
  reference: Reference,
  source: ImageSource,
  offered: SourceImage,
): Promise<object | undefined> {
  // Its store is closed to others.
  if (process.getuid?.() !== 0 && world.places.user === undefined) return undefined;
  const { headerSize, layerEntries, layerSize } = world.settings;
  const stage = openStage(
    world.paths,
    { entries: layerEntries, bytes: layerSize, header: headerSize },
    world.scratch(),
  );
  try {
    await addSmallLayers(world, source, offered, stage);
    const tree = stage.tree();
    if (tree.children.get("exports") === undefined) return undefined;
    const image = imageOf(reference, offered, stage, tree);
    const contract = parseContract(readExports(tree, image.readFile, world.settings.templateSize));
    return {
      ...describeContract(contract),
      privileges: await privilegesAsked(world, contract, containerNameOf(reference), image),
    };
  } catch (error) {
    world.signal.throwIfAborted();
    if (!(error instanceof KeelsonError)) throw error;
    return { error: { code: error.code, message: error.message, hint: error.hint } };
  } finally {
    stage.discard();
  }
}

async function addSmallLayers(
  world: World,
  source: ImageSource,
  { manifest, config }: SourceImage,
  stage: ImageStage,
): Promise<void> {
  for (const [index, layer] of manifest.layers.entries()) {
    const diffId = config.diffIds[index];
    if (diffId === undefined) continue;
    if (stage.hasLayer(diffId)) await stage.addLayer(diffId);
    else if (layer.size <= world.settings.inspectSize) {
      const label = `layer ${index + 1}/${manifest.layers.length} ${shortDigest(layer.digest)}`;
      const wanted = { layer, diffId, label, stop: world.signal };
      await readLayer(world, source, wanted, (open) => stage.addLayer(diffId, open));
    }
  }
}

function describeContract(contract: Contract): object {
  const { overridable, required } = variablesOf(contract);
  const { relations, phase, health } = contract.manifest;
  return {
    variables: { overridable: Object.fromEntries(overridable), required },
    unitRelations: unitRelationsOf(contract),
    relations: relations ?? null,
    phase: phase ?? "normal",
    hostFiles: contract.hostfs.map(({ path }) => shownPath(path)),
    health: health ?? null,
  };
}

/** The lines of the unit template that relate it to other units, as they stand there. */
function unitRelationsOf({ unit }: Contract): readonly string[] {
  const lines = (unit === undefined ? "" : unit.text).split("\n").map((line) => line.trim());
  return lines.filter((line) =>
    /^(?:After|Before|Wants|Requires|Requisite|BindsTo|PartOf|Upholds|Conflicts)=/.test(line),
  );
}

/** With a stand-in for each value that has to be given; null where that cannot be told on this host. */
async function privilegesAsked(
  world: World,
  contract: Contract,
  name: string,
  image: ImageAtHand,
): Promise<readonly string[] | null> {
  const set = new Map(variablesOf(contract).required.map((variable) => [variable, "x"]));
  try {
    const request = { set, uuid: world.uuid(), listen: [], enable: false, keepExisting: true };
    return privilegeLines(privilegesOf(await propose(world, request, name, image)));
  } catch (error) {
    if (error instanceof KeelsonError) return null;
    throw error;
  }
}

function imageOf(
  reference: Reference,
  { digest, config, manifest, configBytes }: SourceImage,
  stage: ImageStage,
  tree: DirectoryNode,
): ImageAtHand {
  const id = digestOf(configBytes);
  const image = { reference: formatReference(reference), digest, id, commit: "", pulled: "", kept: false };
  return {
    image,
    config,
    tree,
    fetched: { bytes: 0, layers: 0, ofLayers: manifest.layers.length },
    readFile: (file) => readFileSync(stage.repository.locate(file.object, "file")),
    edits: [],
    publish: () => {},
  };
}
