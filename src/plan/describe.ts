import { describeVerified } from "../image/verified.ts";
import { shownPath } from "../layer/path.ts";
import { formatChange, type HostChange } from "./change.ts";
import type { Deployment, HostAction } from "./deployment.ts";
import type { SwitchPlan } from "./switch.ts";

/** A deployment as `--json` gives it; keys stay what they are. */
export function describeDeployment(deployment: Deployment): Readonly<Record<string, unknown>> {
  const {
    name,
    generation,
    created,
    image,
    runtime,
    set,
    service,
    hostFiles,
    hostActions,
    warnings,
    tmpfiles,
    rootfs,
    stack,
  } = deployment;
  return {
    name,
    generation,
    created,
    image: image.reference,
    digest: image.digest,
    id: image.id,
    commit: image.commit,
    platform: image.platform,
    verified: describeVerified(image.verified),
    runtime,
    rootfs: rootfs ?? null,
    stack: stack?.path ?? null,
    unit: service?.unit ?? null,
    triggers: service?.triggers?.map(({ unit }) => unit) ?? [],
    enabled: service?.enabled ?? false,
    phase: service === undefined ? null : (service.phase ?? "normal"),
    tmpfiles: tmpfiles?.path ?? null,
    set,
    values: deployment.values,
    hostFiles: hostFiles.map((file) => ({
      path: shownPath(file.path),
      kind: file.kind,
      sha256: file.kind === "file" ? file.sha256 : null,
      foreign: file.foreign,
    })),
    hostActions: hostActions.map(({ kind, text }) => ({ kind, text })),
    warnings,
  };
}

/** A plan as `--json` gives it: the changes in order, each with its line for people. */
export function describePlan(plan: SwitchPlan): Readonly<Record<string, unknown>> {
  return { changes: plan.changes.map(describeChange), kept: plan.kept.map(shownPath) };
}

export function planLines(plan: SwitchPlan): readonly string[] {
  return [
    ...plan.changes.map((change) => shownPath(formatChange(change))),
    ...plan.kept.map((path) => `keep ${shownPath(path)}`),
  ];
}

/** What a person should read before an image is given the host. Empty for one that stays in its container. */
export function hostActionLines(actions: readonly HostAction[]): readonly string[] {
  const titles: Readonly<Record<HostAction["kind"], string>> = {
    command: "runs on the host",
    "unit-relation": "reaches into other units",
    tmpfiles: "asks systemd-tmpfiles for",
    file: "puts on the host",
  };
  return actions.map(({ kind, text }) => `the image ${titles[kind]}: ${kind === "file" ? shownPath(text) : text}`);
}

/** Files the image would have put on the host, had they not been there. */
export function foreignFileLines(deployment: Deployment): readonly string[] {
  return deployment.hostFiles
    .filter((file) => file.foreign)
    .map((file) => `left alone, as it was there before: ${shownPath(file.path)}`);
}

function describeChange(change: HostChange): Readonly<Record<string, unknown>> {
  const path = "path" in change ? shownPath(change.path) : null;
  const unit = "unit" in change ? change.unit : null;
  const action =
    change.kind === "file" || change.kind === "symlink" || change.kind === "directory" ? actionOf(change) : change.kind;
  const links = "links" in change ? { links: change.links.map((link) => shownPath(link.path)) } : {};
  return { kind: change.kind, action, path, unit, text: shownPath(formatChange(change)), ...links };
}

function actionOf(change: { readonly from?: unknown; readonly to?: unknown }): string {
  if (change.to === undefined) return "remove";
  return change.from === undefined ? "create" : "replace";
}

/** What a user's containers do without, as a line for people. */
export const userTreeLine =
  "all files of the image are root's in the container; its set-id bits, extended attributes and nodes in /dev are left out";
