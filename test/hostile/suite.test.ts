import { join } from "node:path";
import { afterAll, describe, expect, it, onTestFinished } from "vitest";
import { run } from "../bed/run.ts";
import { type CaseClass, caseClasses, type HostileCase } from "./case.ts";
import { hostileCases } from "./cases.ts";
import { runHere } from "./keelson.ts";
import { snapshotOf } from "./rows.ts";
import { changedRows, makeStand, treeDifferences } from "./stand.ts";

/** Of processor time: how long it takes besides depends on who else has the machine. */
const patience = 2_000_000;
const slow: string[] = [];

afterAll(() => expect(slow).toEqual([]));

async function tryCase(hostile: HostileCase): Promise<void> {
  const stand = await makeStand(hostile);
  onTestFinished(stand.remove);
  const before = snapshotOf(stand.root, false);
  const begun = process.cpuUsage();
  const outcome = await runHere(stand);
  const { user, system } = process.cpuUsage(begun);
  expect(stand.escapes()).toEqual([]);
  if (hostile.expect.kind !== "refused") {
    expect(outcome).toEqual({ kind: "installed", tree: expect.any(String) });
    if (outcome.kind === "installed") expect(treeDifferences(hostile, stand, outcome.tree)).toEqual([]);
    const repository = join(stand.root, "var/lib/keelson/repo");
    if (stand.image.ostree !== false) await run("ostree", "fsck", "-q", `--repo=${repository}`);
    return;
  }
  const { code, words } = hostile.expect;
  expect(outcome).toEqual({ kind: "refused", code, message: expect.stringMatching(words) });
  if (outcome.kind === "refused") expect(outcome.message).toMatch(/^[^\u0000-\u001f\u007f-\u009f]{1,1000}$/);
  expect(changedRows(before, snapshotOf(stand.root, false))).toEqual([]);
  if (user + system > patience) slow.push(`${hostile.name}: ${(user + system) / 1e6} s`);
}

describe.each(Object.keys(caseClasses) as CaseClass[])("class %s", (name) => {
  it.each(hostileCases.filter((hostile) => hostile.class === name))("$name", tryCase);
});

describe("the suite", () => {
  it("has enough cases of every class, each with a name of its own", () => {
    expect(hostileCases.length).toBeGreaterThanOrEqual(150);
    expect(new Set(hostileCases.map(({ name }) => name)).size).toBe(hostileCases.length);
    for (const name of Object.keys(caseClasses))
      expect([name, hostileCases.filter((hostile) => hostile.class === name).length >= 5]).toEqual([name, true]);
  });
});
