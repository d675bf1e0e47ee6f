import { describeDeployment, describePlan, planLines } from "../../plan/describe.ts";
import { describePreview, type Preview, previewLines, previewSwitch } from "../../plan/preview.ts";
import type { World } from "../../world.ts";
import { readContent } from "../propose.ts";
import type { Group, Step } from "./group.ts";
import type { Found } from "./members.ts";

type Action = "installed" | "updated" | "uninstalled" | "unchanged";

const nothing = { changes: [], kept: [] };

/** The plan of all as `--json` gives it. */
export function describeGroup(path: string, { plan }: Group): Readonly<Record<string, unknown>> {
  return { stack: path, ...describePlan(plan) };
}

/** What became of each container, in the order in which they were changed; those that were left alone come last. */
export function describeSteps(found: readonly Found[], { steps }: Group): readonly object[] {
  return [
    ...steps.map((step) => ({
      ...(step.to === undefined ? { name: step.name } : describeDeployment(step.to)),
      action: actionOf(step),
      before: step.from?.generation ?? null,
    })),
    ...unchanged(found, { steps }).map(({ member: { name } }) => ({ name, action: "unchanged" satisfies Action })),
  ];
}

export function answerLines(found: readonly Found[], { steps }: Pick<Group, "steps">): readonly string[] {
  const lines = steps.map((step) => {
    const { name, from, to } = step;
    if (to === undefined) return `uninstalled ${name}`;
    const image = `${to.image.reference} (${to.image.digest})`;
    if (from === undefined) return `installed ${name} from ${image}`;
    return `updated ${name} from generation ${from.generation} to ${to.generation}: ${image}`;
  });
  const rest = unchanged(found, { steps }).map(({ member: { name } }) => `${name} is as the stack has it`);
  return [...lines, ...rest];
}

/** What an apply would change: the changes of all in their order, then of each container what it is. */
export function previewGroup(
  world: World,
  path: string,
  found: readonly Found[],
  group: Group,
): { readonly document: object; readonly lines: readonly string[] } {
  const seen = group.steps.map((step) => [step, previewStep(world, step)] as const);
  const containers = describeSteps(found, group).map((each, index) => {
    const preview = seen[index]?.[1];
    return preview === undefined ? each : { ...each, ...withoutPlan(describePreview(preview)) };
  });
  const whole = previewSwitch(undefined, undefined, group.plan, () => undefined);
  const { verbs } = describePreview(whole);
  return {
    document: { ...describeGroup(path, group), verbs, containers },
    lines: [
      ...planLines(group.plan),
      ...seen.flatMap(([{ name, ...step }, preview]) => [
        `${name}: to be ${actionOf(step)}`,
        ...previewLines({ ...preview, plan: nothing }).map((line) => `  ${line}`),
      ]),
      ...unchanged(found, group).map(({ member: { name } }) => `${name} is as the stack has it`),
    ],
  };
}

function previewStep(world: World, { from, to, plan, image }: Step): Preview {
  return previewSwitch(from, to, plan, readContent(world, image), image?.fetched);
}

/** The changes of all are told once, in their order. */
function withoutPlan({ changes: _, kept: __, verbs: ___, ...rest }: Readonly<Record<string, unknown>>): object {
  return rest;
}

function actionOf({ from, to }: Pick<Step, "from" | "to">): Action {
  if (to === undefined) return "uninstalled";
  return from === undefined ? "installed" : "updated";
}

function unchanged(found: readonly Found[], { steps }: Pick<Group, "steps">): readonly Found[] {
  const names = new Set(steps.map(({ name }) => name));
  return found.filter(({ member }) => !names.has(member.name));
}
