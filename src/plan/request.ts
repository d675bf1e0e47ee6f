import type { Contract } from "../contract/contract.ts";
import type { Phase } from "../contract/phase.ts";
import type { Template } from "../contract/template.ts";
import type { ImageConfig } from "../image/config.ts";
import type { DeployedImage, DeployedStack, FileContent } from "./deployment.ts";
import type { Override } from "./overrides.ts";
import type { UserIds } from "./user.ts";

/** All that a deployment is planned from, but for the host. */
export interface DeploymentRequest {
  readonly name: string;
  readonly generation: number;
  /** RFC 3339. */
  readonly created: string;
  readonly image: DeployedImage;
  readonly imageConfig: ImageConfig;
  readonly contract: Contract;
  readonly set: ReadonlyMap<string, string>;
  /** In place of the image's own. */
  readonly phase?: Phase | undefined;
  /** Addresses that a socket listens on for it, in place of the image's own. */
  readonly listen: readonly string[];
  /** A random UUID, for the variable of that name. */
  readonly uuid: string;
  readonly runtime: { readonly path: string; readonly name: string };
  readonly enabled: boolean;
  readonly keepExisting: boolean;
  readonly rootfs?: string;
  /** The container may write to its root: one that runs once, on a root of its own. */
  readonly writable: boolean;
  /** What the administrator changes in config.json. */
  readonly overrides: readonly Override[];
  /** What a stack file says of it. */
  readonly stack?: DeployedStack;
  /** The image's `User`, looked up in its own passwd and group. */
  readonly user: UserIds;
  /** Where the bytes of a file below /exports/hostfs are. */
  readonly contentOf: (source: string) => FileContent;
  /** Whether a path of the image's tree is a regular file. */
  readonly isFileInImage: (path: string) => boolean;
  /** The unit, config.json and tmpfiles templates for an image that brings none. */
  readonly defaults: DefaultTemplates;
}

/** Handlebars templates for what an image does not bring. */
export interface DefaultTemplates {
  readonly unit: Template;
  readonly config: Template;
  readonly tmpfiles: Template;
}
