import type { HostAction, HostFile } from "./deployment.ts";
import type { TmpfilesLine } from "./tmpfiles.ts";
import type { Directive } from "./unit-file.ts";

const commands = new Set([
  "ExecCondition",
  "ExecStartPre",
  "ExecStart",
  "ExecStartPost",
  "ExecReload",
  "ExecStop",
  "ExecStopPost",
]);
const relations = new Set(["Alias", "Also", "RequiredBy", "UpheldBy", "Conflicts", "OnFailure", "OnSuccess"]);

/**
 * What an image does on its host outside the container: commands in its unit that are not keelson's own, relations that
 * reach into other units, tmpfiles lines, host files. In the order people should read them.
 */
export function hostActionsOf(
  directives: readonly Directive[],
  ownCommands: readonly string[],
  tmpfiles: readonly TmpfilesLine[],
  hostFiles: readonly HostFile[],
): readonly HostAction[] {
  const lines = (wanted: ReadonlySet<string>): readonly Directive[] =>
    directives.filter(({ key, value }) => wanted.has(key) && value !== "");
  const foreign = lines(commands).filter(({ value }) => !ownCommands.includes(value.replace(/^[-@:+!|]*/, "")));
  return [
    ...foreign.map(({ key, value }): HostAction => ({ kind: "command", text: `${key}=${value}` })),
    ...lines(relations).map(({ key, value }): HostAction => ({ kind: "unit-relation", text: `${key}=${value}` })),
    ...tmpfiles.map(({ text }): HostAction => ({ kind: "tmpfiles", text })),
    ...hostFiles.filter((file) => !file.foreign).map((file): HostAction => ({ kind: "file", text: file.path })),
  ];
}
