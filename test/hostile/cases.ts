import type { HostileCase } from "./case.ts";
import { attributes } from "./cases/attributes.ts";
import { compression } from "./cases/compression.ts";
import { documents } from "./cases/documents.ts";
import { host } from "./cases/host.ts";
import { inodes } from "./cases/inodes.ts";
import { layers } from "./cases/layers.ts";
import { limits } from "./cases/limits.ts";
import { links } from "./cases/links.ts";
import { manifests } from "./cases/manifests.ts";
import { names } from "./cases/names.ts";
import { registries } from "./cases/registries.ts";
import { sparse } from "./cases/sparse.ts";
import { tars } from "./cases/tar.ts";
import { transports } from "./cases/transports.ts";
import { whiteouts } from "./cases/whiteouts.ts";

/** Every case of the suite. */
export const hostileCases: readonly HostileCase[] = [
  ...names,
  ...links,
  ...whiteouts,
  ...inodes,
  ...attributes,
  ...tars,
  ...sparse,
  ...compression,
  ...documents,
  ...manifests,
  ...transports,
  ...registries,
  ...host,
  ...layers,
  ...limits,
];
