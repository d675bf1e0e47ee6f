import { isObject, type JsonObject } from "../image/json.ts";
import { isBind } from "./config-compat.ts";

/** A command that is to be run in a container of its own, in place of the one that its config.json names. */
export interface CommandRequest {
  /** Program and arguments; empty: what config.json names. */
  readonly command: readonly string[];
  /** Its input is a terminal. */
  readonly terminal: boolean;
  /** The absolute path of the root filesystem, where it is not in the bundle. */
  readonly rootfs?: string;
}

/** The text of config.json for it. The control group is none of the service's: the runtime makes one beside. */
export function commandConfig(config: string, { command, terminal, rootfs }: CommandRequest): string {
  const document: JsonObject = JSON.parse(config);
  const process: JsonObject = isObject(document.process) ? document.process : {};
  document.process = { ...process, terminal, ...(command.length === 0 ? {} : { args: [...command] }) };
  if (rootfs !== undefined) document.root = { ...(isObject(document.root) ? document.root : {}), path: rootfs };
  if (isObject(document.linux)) delete document.linux.cgroupsPath;
  return `${JSON.stringify(document, undefined, 2)}\n`;
}

/** The sources of bind mounts that a boot clears, and the service's own start would have made. */
export function volatileSources(config: string): readonly string[] {
  const { mounts }: { readonly mounts?: unknown } = JSON.parse(config);
  const binds = Array.isArray(mounts) ? mounts.filter(isObject).filter(isBind) : [];
  return binds.map(({ source }) => String(source)).filter((source) => /^\/(?:var\/)?run\/./.test(source));
}
