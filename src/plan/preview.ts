import { isUtf8 } from "node:buffer";
import { shownPath } from "../layer/path.ts";
import { type FileState, formatChange, type HostChange } from "./change.ts";
import { type ConfigChange, diffConfigs, formatConfigChange } from "./config-diff.ts";
import type { Deployment, FileContent } from "./deployment.ts";
import { describePlan, planLines } from "./describe.ts";
import type { Privilege } from "./privilege.ts";
import { comparePrivileges, type PrivilegeChange, privilegeLines, privilegesOf } from "./privileges.ts";
import type { SwitchPlan } from "./switch.ts";
import { diffTexts } from "./text-diff.ts";

/** What it takes to bring an image: the layers that are not in the store. */
export interface Fetch {
  /** Of the layers, compressed as they come. */
  readonly bytes: number;
  readonly layers: number;
  readonly ofLayers: number;
}

/** Everything that a switch would change, ready to be shown. The changes are the list that is carried out. */
export interface Preview {
  readonly plan: SwitchPlan;
  readonly fetch?: Fetch;
  /** One for each file that the plan writes, replaces or removes. */
  readonly files: readonly FileDiff[];
  readonly config: readonly ConfigChange[];
  readonly privileges: PrivilegeChange;
  readonly overrides: readonly string[];
}

export interface FileDiff {
  readonly path: string;
  /** A unified diff, modes before it where they differ; absent for what is not text, or has changed beyond recognition. */
  readonly diff?: string;
  /** It is new or gone as a whole. */
  readonly whole: boolean;
}

/** The bytes of a file of a deployment; undefined when they cannot be had. */
export type ReadContent = (content: FileContent) => Buffer | undefined;

/** Previews a plan from one deployment to another: see planSwitch. `read` is asked for the files in it. */
export function previewSwitch(
  from: Deployment | undefined,
  to: Deployment | undefined,
  plan: SwitchPlan,
  read: ReadContent,
  fetch?: Fetch,
): Preview {
  const gained = to === undefined ? [] : privilegesOf(to);
  return {
    plan,
    ...(fetch === undefined ? {} : { fetch }),
    files: plan.changes.flatMap((change) => (change.kind === "file" ? [diffFile(change, read)] : [])),
    config: from === undefined || to === undefined ? [] : diffConfigs(from.config, to.config),
    privileges:
      from === undefined || to === undefined ? { widened: gained, narrowed: [] } : comparePrivileges(from, to),
    overrides: to?.overrides?.lines ?? [],
  };
}

/** For people: the changes in order, what is fetched, what the container may do from then on, and each difference. */
export function previewLines({ plan, fetch, files, config, privileges, overrides }: Preview): readonly string[] {
  const { widened, narrowed } = privileges;
  const shown = files.filter(({ path, whole }) => !whole || ownPath.test(path));
  return [
    ...planLines(plan),
    ...(fetch === undefined ? [] : [`fetch ${fetch.bytes} bytes, ${fetch.layers} of ${fetch.ofLayers} layers`]),
    ...overrides.map((line) => `override ${line}`),
    ...privilegeLines(widened).map((line) => `+ the container ${line}`),
    ...privilegeLines(narrowed).map((line) => `- the container ${line}`),
    ...config.map((change) => `config.json: ${formatConfigChange(change)}`),
    // A last line of context may be empty, and is part of the difference.
    ...shown.flatMap(({ diff }) => diff?.replace(/\n$/, "").split("\n") ?? []),
  ];
}

/** Of files that are new or gone as a whole, only these are shown: the others are the image's own, and may be long. */
const ownPath = /^\/etc\/(?:systemd\/system|tmpfiles\.d)\//;

/** As `--json` gives it: the keys of the plan, and the differences. */
export function describePreview(preview: Preview): Readonly<Record<string, unknown>> {
  const { plan, fetch, files, config, privileges, overrides } = preview;
  const { widened, narrowed } = privileges;
  return {
    ...describePlan(plan),
    verbs: plan.changes.filter(isVerb).map((change) => shownPath(formatChange(change))),
    fetch: fetch ?? { bytes: 0, layers: 0, ofLayers: 0 },
    files: files.map(({ path, diff }) => ({ path: shownPath(path), diff: diff ?? null })),
    config,
    overrides,
    privileges: { widened: widened.map(describePrivilege), narrowed: narrowed.map(describePrivilege) },
  };
}

export function describePrivilege({ kind, does, what }: Privilege): object {
  return { kind, text: `${does} ${what}`.trimEnd() };
}

function diffFile(change: Extract<HostChange, { kind: "file" }>, read: ReadContent): FileDiff {
  const { path, from, to } = change;
  const [before, after] = [from, to].map((state) => (state === undefined ? undefined : read(state.content)));
  const whole = from === undefined || to === undefined;
  const missing = (from !== undefined && before === undefined) || (to !== undefined && after === undefined);
  const binary = missing || [before, after].some((bytes) => bytes?.includes(0) || !isUtf8(bytes ?? empty));
  const diff = binary ? undefined : diffTexts(shownPath(path), before?.toString("utf8"), after?.toString("utf8"));
  if (diff === undefined) return { path, whole };
  const modes = whole || from.mode === to.mode ? "" : `old mode ${modeOf(from)}\nnew mode ${modeOf(to)}\n`;
  return { path, whole, diff: `${modes}${diff}` };
}

const empty = Buffer.alloc(0);

/** As git writes the mode of a regular file. */
function modeOf({ mode }: FileState): string {
  return `10${mode.toString(8).padStart(4, "0")}`;
}

/** What systemd is told to do, in contrast to what is written, and looked at. */
function isVerb({ kind }: HostChange): boolean {
  return !["file", "symlink", "directory", "current", "purge", "watch"].includes(kind);
}
