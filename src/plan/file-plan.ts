import type { FileState, HostChange } from "./change.ts";
import type { Deployment, HostFile } from "./deployment.ts";
import type { HostFacts } from "./facts.ts";
import { textState } from "./file-state.ts";

/** What becomes of single files; `kept` are those that are left as somebody made them. */
export interface FilePlan {
  readonly kept: string[];
  file(path: string, from: FileState | undefined, to: FileState | undefined): readonly HostChange[];
  symlink(path: string, from: string | undefined, to: string | undefined): readonly HostChange[];
  text(from: TextFile | undefined, to: TextFile | undefined): readonly HostChange[];
}

interface TextFile {
  readonly path: string;
  readonly text: string;
}

/** Plans single files. One that is no longer as it was written is somebody's work, stays, and is named in `kept`. */
export function openFilePlan(facts: HostFacts): FilePlan {
  const kept: string[] = [];
  function file(path: string, from: FileState | undefined, to: FileState | undefined): readonly HostChange[] {
    const fact = facts.at(path);
    if (fact.kind === "missing") return to === undefined ? [] : [{ kind: "file", path, to }];
    const untouched = from !== undefined && fact.kind === "file" && fact.sha256 === from.sha256;
    if (!untouched) {
      kept.push(path);
      return [];
    }
    if (to !== undefined && to.sha256 === from.sha256 && to.mode === from.mode) return [];
    return [{ kind: "file", path, from, ...(to === undefined ? {} : { to }) }];
  }
  return {
    kept,
    file,
    symlink(path, from, to) {
      const fact = facts.at(path);
      if (fact.kind === "missing") return to === undefined ? [] : [{ kind: "symlink", path, to }];
      if (from === undefined || fact.kind !== "symlink" || fact.target !== from) {
        kept.push(path);
        return [];
      }
      return from === to ? [] : [{ kind: "symlink", path, from, ...(to === undefined ? {} : { to }) }];
    },
    text(from, to) {
      const path = to?.path ?? from?.path;
      return path === undefined ? [] : file(path, from && textState(from.text), to && textState(to.text));
    },
  };
}

/** From the host files of one deployment to those of another, in the order of their paths. */
export function hostFiles(
  from: Deployment | undefined,
  to: Deployment | undefined,
  files: FilePlan,
): readonly HostChange[] {
  const own = (deployment: Deployment | undefined): ReadonlyMap<string, HostFile> =>
    new Map((deployment?.hostFiles ?? []).filter((file) => !file.foreign).map((file) => [file.path, file]));
  const [before, after] = [own(from), own(to)];
  const paths = [...new Set([...before.keys(), ...after.keys()])].sort();
  return paths.flatMap((path) => hostFileChange(path, before.get(path), after.get(path), files));
}

function hostFileChange(
  path: string,
  from: HostFile | undefined,
  to: HostFile | undefined,
  files: FilePlan,
): readonly HostChange[] {
  const state = (file: HostFile | undefined): FileState | undefined =>
    file?.kind === "file" ? { mode: file.mode, sha256: file.sha256, content: file.content } : undefined;
  const target = (file: HostFile | undefined): string | undefined =>
    file?.kind === "symlink" ? file.target : undefined;
  if (from?.kind === "symlink" || (from === undefined && to?.kind === "symlink")) {
    if (to?.kind !== "file") return files.symlink(path, target(from), target(to));
    const gone = files.symlink(path, target(from), undefined);
    if (files.kept.includes(path)) return gone;
    return [...gone, { kind: "file", path, to: { mode: to.mode, sha256: to.sha256, content: to.content } }];
  }
  if (to?.kind !== "symlink") return files.file(path, state(from), state(to));
  const gone = files.file(path, state(from), undefined);
  return files.kept.includes(path) ? gone : [...gone, { kind: "symlink", path, to: to.target }];
}
