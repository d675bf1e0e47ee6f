import { KeelsonError } from "../errors.ts";
import { readContainers } from "../host/deployments.ts";
import type { Descriptor } from "../image/manifest.ts";
import { shortDigest } from "../image/reference.ts";
import { formatSize, formatTable } from "../output.ts";
import { readDocuments } from "../store/documents.ts";
import { readImages } from "../store/images.ts";
import type { World } from "../world.ts";

export interface ImagesRequest {
  /** Images that have lost their name, too. */
  readonly all: boolean;
  /** `KEY=VALUE`, all of which must hold. */
  readonly filters: readonly string[];
}

const keys = ["reference", "digest", "id", "created", "used", "kept"] as const;

interface Row {
  readonly reference: string | null;
  readonly digest: string;
  readonly id: string;
  readonly created: string | null;
  readonly pulled: string;
  /** Bytes of the layers as their registry has them. */
  readonly size: number;
  readonly used: boolean;
  readonly kept: boolean;
}

/** Every image in the store; `>` marks those that a container runs. */
export async function images(world: World, request: ImagesRequest): Promise<void> {
  const filters = request.filters.map(parseFilter);
  const used = new Set(
    readContainers(world.paths.deployments).map(
      (container) => container.kind === "installed" && container.deployment.image.digest,
    ),
  );
  const rows = readImages(world.paths.images)
    .map((image): Row => {
      const { manifest, config } = readDocuments(world.paths.images, image);
      const { reference = null, digest, id, pulled, kept } = image;
      return {
        reference,
        digest,
        id,
        created: config.created ?? null,
        pulled,
        size: sizeOf(manifest.layers),
        used: used.has(digest),
        kept,
      };
    })
    .filter((row) => (request.all || row.reference !== null) && filters.every((holds) => holds(row)));
  const table = rows.map((row) => [
    row.used ? ">" : "",
    row.reference ?? "<none>",
    shortDigest(row.id as `sha256:${string}`),
    row.created?.slice(0, 10) ?? "-",
    formatSize(row.size),
  ]);
  world.output.answer(
    rows,
    rows.length === 0 ? [] : formatTable(["", "REFERENCE", "IMAGE ID", "CREATED", "SIZE"], table),
  );
}

function parseFilter(text: string): (row: Row) => boolean {
  const equals = text.indexOf("=");
  const key = keys.find((known) => known === text.slice(0, Math.max(equals, 0)));
  if (key === undefined) {
    throw new KeelsonError("E_USAGE", `the filter ${text} is not valid`, {
      hint: `Write KEY=VALUE with one of the keys ${keys.join(", ")}.`,
    });
  }
  const wanted = text.slice(equals + 1).toLowerCase();
  return (row) =>
    String(row[key] ?? "")
      .toLowerCase()
      .includes(wanted);
}

function sizeOf(layers: readonly Descriptor[]): number {
  return layers.reduce((total, layer) => total + layer.size, 0);
}
