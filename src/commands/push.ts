import { KeelsonError, printable } from "../errors.ts";
import { containerNameOf, formatReference, parseReference, type Reference } from "../image/reference.ts";
import { readReference } from "../store/find-images.ts";
import type { World } from "../world.ts";
import { qualified } from "./name.ts";
import { type CopyOptions, readSides, transfer } from "./transfer.ts";

export interface PushRequest extends CopyOptions {
  /** Where the image is on this host. */
  readonly image: string;
  /** A repository, with a tag or without; a registry alone, or a namespace of it with a slash behind it. */
  readonly to: string;
  /** `USER[:PASSWORD]` */
  readonly creds?: string | undefined;
  readonly tlsVerify: boolean;
}

/** Copies an image of this host to a registry, under its own name where none is given; says the digest it has there. */
export async function push(world: World, request: PushRequest): Promise<void> {
  const from = readReference(request.image);
  if (from.kind === "registry") {
    throw new KeelsonError("E_REFERENCE", `${printable(request.image)} is in a registry already`, {
      hint: "keelson copy takes it from one registry to another.",
    });
  }
  const to = targetOf(request.to.replace(/^docker:\/\//, ""), from);
  const { tlsVerify, creds: destCreds } = request;
  const sides = readSides(world, { tlsVerify, destCreds });
  const copied = await transfer(world, from, to, { ...request, ...sides });
  const names = { source: formatReference(from), destination: formatReference(to) };
  world.output.answer({ ...names, ...copied }, [`${names.destination} ${copied.digest}`]);
}

function targetOf(text: string, from: Reference): Reference {
  const open = !text.includes("/") || text.endsWith("/");
  return parseReference(`docker://${open ? `${text.replace(/\/+$/, "")}/${ownName(from)}` : text}`);
}

/** What the image is called where it lies, without its registry. */
function ownName(from: Reference): string {
  const name = "path" in from && from.tag !== undefined ? qualified(from.tag) : undefined;
  if (name?.digest === undefined && name !== undefined) return `${name.repository}:${name.tag ?? "latest"}`;
  return `${containerNameOf(from).toLowerCase()}:latest`;
}
