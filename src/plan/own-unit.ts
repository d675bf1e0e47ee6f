import type { FileState, HostChange } from "./change.ts";
import type { HostFacts } from "./facts.ts";
import { textState } from "./file-state.ts";

/** A unit that keelson brings for itself, and the target that wants it. */
export interface OwnUnit {
  readonly unit: string;
  readonly target: string;
  /** By which keelson knows its own. */
  readonly firstLine: string;
  /** With that line. */
  readonly text: string;
}

function placesOf({ unit, target }: Pick<OwnUnit, "unit" | "target">, { places: { units } }: HostFacts) {
  const [path, wants] = [`${units}/${unit}`, `${units}/${target}.wants`];
  return { path, wants, link: `${wants}/${unit}` };
}

/**
 * Brings the unit, or brings it up to date. What stands in its place and is not keelson's stays, and so does an
 * administrator's decision to disable or mask it, unless it is to be linked `anew`.
 */
export function planOwnUnit(own: OwnUnit, facts: HostFacts, anew = false): readonly HostChange[] {
  const { path, wants, link } = placesOf(own, facts);
  const to = textState(own.text);
  const linking: readonly HostChange[] = [
    ...(facts.at(wants).kind === "missing" ? [{ kind: "directory", path: wants, to: 0o755 } as const] : []),
    ...(facts.at(link).kind === "missing" ? [{ kind: "symlink", path: link, to: path } as const] : []),
  ];
  if (facts.at(path).kind === "missing") return [{ kind: "file", path, to }, ...linking];
  const from = readOwnUnit(own, facts);
  if (from === undefined) return [];
  const rewritten: readonly HostChange[] = from.content.text === own.text ? [] : [{ kind: "file", path, from, to }];
  return anew ? [...rewritten, ...linking] : rewritten;
}

/** Takes the unit away. */
export function planOwnUnitRemoval(own: Omit<OwnUnit, "text">, facts: HostFacts): readonly HostChange[] {
  const { path, wants, link } = placesOf(own, facts);
  const from = readOwnUnit(own, facts);
  if (from === undefined) return [];
  const there = facts.at(link);
  return [
    ...(there.kind === "symlink" && there.target === path
      ? [{ kind: "symlink", path: link, from: path } as const]
      : []),
    { kind: "directory", path: wants, from: 0o755 },
    { kind: "file", path, from },
    { kind: "reload" },
  ];
}

/** Undefined where there is none, or one that is somebody else's. */
export function readOwnUnit(
  own: Omit<OwnUnit, "text">,
  facts: HostFacts,
): (FileState & { readonly content: { readonly text: string } }) | undefined {
  const { path } = placesOf(own, facts);
  const text = facts.at(path).kind === "file" ? facts.textAt(path) : undefined;
  return text?.startsWith(`${own.firstLine}\n`) ? textState(text) : undefined;
}
