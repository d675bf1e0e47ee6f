import { mkdir, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import type { Answer, Host } from "./journey.ts";

/** What apply answers. */
export interface Applied extends Answer {
  readonly containers: readonly { readonly name: string; readonly action: string; readonly generation?: number }[];
  readonly verbs: readonly string[];
}

/** A stack file of the host's own directory. */
export const place = "/etc/keelson/stack.d/node.conf";

/** Writes a stack file of a host; where it is. */
export async function writeStack(host: Host, text: string, path = place): Promise<string> {
  await mkdir(dirname(host.path(path)), { recursive: true });
  await writeFile(host.path(path), text);
  return host.path(path);
}

/** Each container with what became of it. */
export const actions = ({ containers }: Applied): readonly string[] =>
  containers.map(({ name, action }) => `${name} ${action}`);
/** The lines of what is switched, in order. */
export const switched = ({ changes }: Answer): readonly string[] =>
  changes.flatMap(({ kind, text }) => (kind === "current" ? [text] : []));
