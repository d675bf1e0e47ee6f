import type { FileState, HostChange } from "./change.ts";
import type { HostFacts, PathFact } from "./facts.ts";

const missing: PathFact = { kind: "missing" };

/** The host as it is once these changes are made: what stands at paths, and the texts of files and units. */
export function factsAfter(facts: HostFacts, changes: readonly HostChange[]): HostFacts {
  const paths = new Map<string, PathFact>();
  const files = new Map<string, FileState | undefined>();
  for (const change of changes) {
    for (const [path, fact] of factsOf(change)) paths.set(path, fact);
    if (change.kind === "tmpfiles-create") {
      for (const { path, mode } of change.made) {
        const fact = paths.get(path) ?? facts.at(path);
        const awaited = fact.kind === "missing" || (fact.kind === "directory" && fact.awaited === true);
        paths.set(path, { kind: "directory", mode, ...(awaited && { awaited }) });
      }
    }
    if (change.kind === "file") files.set(change.path, change.to);
  }
  const textAt = (path: string): string | undefined => {
    if (!files.has(path)) return paths.has(path) ? undefined : facts.textAt(path);
    const content = files.get(path)?.content;
    return content?.kind === "text" ? content.text : undefined;
  };
  return {
    ...facts,
    at: (path) => paths.get(path) ?? facts.at(path),
    textAt,
    unitText: (unit) => {
      const path = `${facts.places.units}/${unit}`;
      return files.has(path) ? textAt(path) : facts.unitText(unit);
    },
  };
}

function factsOf(change: HostChange): readonly (readonly [string, PathFact])[] {
  switch (change.kind) {
    case "file": {
      const { path, to } = change;
      return [[path, to === undefined ? missing : { kind: "file", mode: to.mode, sha256: to.sha256 }]];
    }
    case "symlink":
      return [[change.path, change.to === undefined ? missing : { kind: "symlink", target: change.to }]];
    case "directory":
      return [[change.path, change.to === undefined ? missing : { kind: "directory", mode: change.to }]];
    default:
      return [];
  }
}
