import { shownPath } from "../layer/path.ts";
import type { Deployment } from "../plan/deployment.ts";
import type { Finding, TreeFinding } from "../store/verify.ts";
import type { StoreFinding } from "../store/verify-store.ts";
import type { FileFinding } from "./verify.ts";

/** Something that is not as it was installed, and whose it is; what is the store's has no container. */
export type Drift =
  | { readonly kind: "tree"; readonly container: string; readonly generation: number; readonly finding: TreeFinding }
  | {
      readonly kind: "file";
      readonly container: string;
      readonly generation: number;
      readonly deployment: Deployment;
      readonly finding: FileFinding;
    }
  /** The record of a deployment that is not the current one cannot be read. */
  | { readonly kind: "record"; readonly container: string; readonly generation: number; readonly finding: Finding }
  | { readonly kind: "store"; readonly finding: StoreFinding }
  /** The current deployment of a container cannot be read. */
  | { readonly kind: "broken"; readonly container: string; readonly reason: string };

/** A drift as `--json` gives it. */
export interface DriftRow {
  readonly container: string | null;
  readonly generation: number | null;
  readonly path: string;
  readonly problem: string;
}

export function describeDrift(drift: Drift): DriftRow {
  if (drift.kind === "broken") {
    return { container: drift.container, generation: null, path: shownPath(drift.reason), problem: "broken" };
  }
  const { path, problem } = drift.finding;
  const of =
    drift.kind === "store"
      ? { container: null, generation: null }
      : { container: drift.container, generation: drift.generation };
  return { ...of, path: shownPath(path), problem };
}

/** A drift in one line for people. */
export function driftLine({ container, path, problem }: DriftRow): string {
  return `${container ?? "store"}: ${path} is ${problem}`;
}
